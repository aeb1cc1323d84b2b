-- The learner's table lab.my_loads (way, line, loaded_at): do two ways have the same 3,000 lines, does
-- loaded_at advance in both, and is the faster one at least 1.5 times as fast?
WITH ways AS (
    SELECT way, count(*) AS rows, count(DISTINCT loaded_at) AS moments,
           md5(string_agg(line, E'\n' ORDER BY line COLLATE "C")) AS lines,
           count(*) / nullif(extract(epoch FROM max(loaded_at) - min(loaded_at)), 0) AS per_second
    FROM lab.my_loads
    GROUP BY way
)
SELECT count(*) >= 2 AND count(DISTINCT lines) = 1 AND min(rows) >= 3000,
       min(moments) >= 100,
       max(per_second) >= 1.5 * min(per_second)
FROM ways;
