-- Which certificates that origins serve end within 30 days of a time (:at, such as 2026-11-24 00:00:00), or would fail under Full (strict)?
-- Of a name that got a new certificate only the new one counts.
SELECT c.origin AS origin, c.server AS server, coalesce(c.sni, '') AS name, c.cert_subject AS subject, c.cert_issuer AS issuer,
       c.cert_not_after AS ends, coalesce(c.cert_faults, '') AS faults, max(c.first) AS last_seen
FROM connections AS c
JOIN (
    SELECT origin, server, coalesce(sni, '') AS name, max(first) AS newest
    FROM connections
    WHERE cert_not_after IS NOT NULL
    GROUP BY origin, server, coalesce(sni, '')
) AS latest ON latest.origin = c.origin AND latest.server = c.server AND latest.name = coalesce(c.sni, '') AND latest.newest = c.first
WHERE c.cert_not_after < CAST(:at AS TIMESTAMP) + INTERVAL 30 DAY OR c.cert_faults IS NOT NULL
GROUP BY c.origin, c.server, coalesce(c.sni, ''), c.cert_subject, c.cert_issuer, c.cert_not_after, coalesce(c.cert_faults, '')
ORDER BY ends, origin, server, name
