-- The settings of a login (ALTER ROLE ... SET) that apply in every database
SELECT split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1)
FROM pg_db_role_setting AS own CROSS JOIN unnest(own.setconfig) AS setting
WHERE own.setrole = %(login)s::regrole AND own.setdatabase = 0
  AND split_part(setting, '=', 1) IN ('work_mem', 'temp_file_limit');
