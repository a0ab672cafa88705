-- What makes the 520s of the whole estate, and how many origins have it? First and last seen.
SELECT cause, edge_status, count(*) AS incidents, count(DISTINCT origin) AS origins, min(time) AS first_seen, max(time) AS last_seen
FROM incidents
GROUP BY cause, edge_status
ORDER BY incidents DESC, cause, edge_status
