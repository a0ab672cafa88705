-- Did a change (:at, such as 2026-11-24 12:00:00) make it worse? Incidents from :from to :until, before and after it.
SELECT origin, cause,
       sum(CASE WHEN time < CAST(:at AS TIMESTAMP) THEN 1 ELSE 0 END) AS before_it,
       sum(CASE WHEN time < CAST(:at AS TIMESTAMP) THEN 0 ELSE 1 END) AS after_it
FROM incidents
WHERE time >= CAST(:from AS TIMESTAMP) AND time < CAST(:until AS TIMESTAMP)
GROUP BY origin, cause
ORDER BY after_it - before_it DESC, origin, cause
