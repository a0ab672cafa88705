-- One Ray ID (:ray), as every origin saw it: edge side, load balancer, application.
SELECT seen_as, origin, time, client, server, said, summary
FROM (
    SELECT 'incident' AS seen_as, origin, time, client, server, cause AS said, summary
    FROM incidents
    WHERE ray = :ray
    UNION ALL
    SELECT 'connection' AS seen_as, origin, first AS time, client, server, ended AS said, coalesce(community_id, '') AS summary
    FROM connections
    WHERE array_contains(rays, :ray)
) AS seen
ORDER BY time, origin, seen_as
