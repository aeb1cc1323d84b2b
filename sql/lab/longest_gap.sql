-- The longest time between two beats.
SELECT max(gap) AS away
FROM (SELECT at - lag(at) OVER (ORDER BY at) AS gap FROM lab.beats) AS gaps;
