-- Which cause on which server of which origin, hour by hour?
SELECT origin, server, cause, edge_status, date_trunc('hour', time) AS hour, count(*) AS incidents
FROM incidents
GROUP BY origin, server, cause, edge_status, date_trunc('hour', time)
ORDER BY hour, origin, server, cause, edge_status
