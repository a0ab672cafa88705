-- Which captures could not be read, or weaken what is said?
SELECT origin, path, severity, problem
FROM problems
ORDER BY origin, path, severity, problem
