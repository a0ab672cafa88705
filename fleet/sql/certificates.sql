-- Which certificates of the estate expire soon (30 days), or would fail under Full (strict)?
SELECT origin, kind, summary, count(*) AS days_seen, max(day) AS last_day
FROM observations
WHERE kind IN ('cert-expires-soon', 'cert-would-fail-strict')
GROUP BY origin, kind, summary
ORDER BY origin, kind, summary
