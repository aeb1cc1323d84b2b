-- Whether lab.one_hour reads lab.hourly itself and not its chunks: 0 if not.
SELECT count(*) FROM pg_depend JOIN pg_rewrite AS rule ON rule.oid = objid
WHERE ev_class = 'lab.one_hour'::regclass AND refobjid = 'lab.hourly'::regclass;
