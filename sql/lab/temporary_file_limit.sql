-- The limit that this login has; -1: none
SELECT current_setting('temp_file_limit');
