-- Who resets: the origins, or boxes on the way?
SELECT actor, cause, origin, count(*) AS incidents
FROM incidents
WHERE cause IN ('reset-before-response', 'reset-mid-response', 'middlebox-reset', 'tls-handshake-reset', 'connect-refused', 'idle-connection-dropped')
GROUP BY actor, cause, origin
ORDER BY incidents DESC, actor, cause, origin
