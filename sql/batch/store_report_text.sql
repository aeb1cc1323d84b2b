UPDATE batch_reports SET report = %(report)s WHERE batch_id = %(batch_id)s;
