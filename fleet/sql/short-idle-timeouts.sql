-- Which origins close idle connections before the edge does, and how many requests did that cost?
SELECT o.origin AS origin, min(o.summary) AS summary, coalesce(max(i.races), 0) AS races
FROM observations AS o
LEFT JOIN (SELECT origin, count(*) AS races FROM incidents WHERE cause = 'keepalive-race' GROUP BY origin) AS i ON i.origin = o.origin
WHERE o.kind = 'keepalive-shorter-than-edge'
GROUP BY o.origin
ORDER BY races DESC, origin
