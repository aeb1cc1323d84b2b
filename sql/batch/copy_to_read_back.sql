COPY read_back FROM STDIN (FORMAT csv, HEADER match);
