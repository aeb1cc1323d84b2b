"""Exercises of course page 3: streaming."""

from lab.exercises import page_3_graders as graders
from lab.exercises.exercise import Exercise

PAGE = "3-streaming"

EXERCISES = [
    Exercise(
        "partitions",
        PAGE,
        "see",
        "Send some readings through the stream. Then make the view `lab.sensor_partitions` in "
        "`timeseries_db` with the columns `sensor_id` and `partition`: which partition each "
        "sensor's valid readings of `sensor_readings_raw` came from.",
        "The hash of the key decides the partition, so all readings of a sensor are in one.",
        (
            "sensor_readings says for each row where in Kafka it came from.",
            "The sample rows did not come from a topic. Show each pair only once: DISTINCT.",
            "SELECT DISTINCT sensor_id, partition FROM sensor_readings WHERE topic = "
            "'sensor_readings_raw'",
        ),
        graders.grade_partitions,
    ),
    Exercise(
        "records",
        PAGE,
        "see",
        "Make the view `lab.records` in `timeseries_db` with the columns `partition` and "
        "`records`: how many records of each partition of `sensor_readings_raw` are stored, "
        "whatever became of them. It has to agree with what Kafka holds.",
        "Every record that was read is in exactly one of three tables, so nothing is lost.",
        (
            "Let a validator read everything first; python python_scripts/explore_kafka.py "
            "partitions shows what Kafka has.",
            "Records are valid, invalid or duplicates: a table for each of the three.",
            "SELECT partition, count(*) AS records FROM (SELECT partition, topic FROM "
            "sensor_readings UNION ALL SELECT partition, topic FROM sensor_readings_invalid UNION "
            "ALL SELECT partition, topic FROM stream_duplicates) AS stored WHERE topic = "
            "'sensor_readings_raw' GROUP BY partition",
        ),
        graders.grade_records,
    ),
    Exercise(
        "members",
        PAGE,
        "change",
        "Run two validators so that both have work to do: each must read a partition that has "
        "records. Check while they run.",
        "Partitions are what members share; with too few keys, some partitions stay empty.",
        (
            "python python_scripts/explore_kafka.py groups shows who reads which partition.",
            "Three sensors have three keys, which fall into two partitions: more keys fill more.",
            "Start stream_validator.py in two terminals, and in a third one "
            "sensor_simulator.py --sensors 30 --rate 0 --count 3000",
        ),
        graders.grade_members,
    ),
    Exercise(
        "poison",
        PAGE,
        "break",
        "Send text that is not JSON by hand, with the key `lab`, to `sensor_readings_raw`, and let "
        "the validator put it into quarantine.",
        "One bad record does not stop the stream, and its bytes are kept as they were sent.",
        (
            "The page shows how to send rubbish with KafkaProducer.",
            "The key has to be the bytes lab. An empty object {} is JSON; b'\\xff' is not text.",
            "KafkaProducer(bootstrap_servers='localhost:9092').send('sensor_readings_raw', "
            "b'no JSON', key=b'lab').get(10), then stream_validator.py --exit-when-idle 2",
        ),
        graders.grade_poison,
    ),
    Exercise(
        "duplicate",
        PAGE,
        "break",
        "Send one reading of the sensor `lab_twice` two times, and let the validator read both. "
        "There must be one row for it in `sensor_readings` and one in `stream_duplicates`.",
        "A producer may send a reading twice; whether it is new depends on what it says, not on "
        "its offset.",
        (
            "Send the same bytes twice, with the sensor's id as the key.",
            "Time and all values have to be the same: another value would be a conflict, another "
            "time another reading. The time must not be older than half an hour.",
            'value = json.dumps({"sensor_id": "lab_twice", "timestamp": '
            'datetime.now(timezone.utc).isoformat(), "temperature": 20, "humidity": 50, '
            '"pressure": 1013}).encode(); send(topic, value, key=b"lab_twice") twice, flush()',
        ),
        graders.grade_duplicate,
    ),
    Exercise(
        "catch_up",
        PAGE,
        "break",
        "Stop the validator, let the simulator send for a minute, 20 readings a second, and wait "
        "half a minute. Then start the validator again and let it read everything. At least five "
        "rejected records must have waited in Kafka for 30 seconds or more, and every record that "
        "was read must be in one of the three tables.",
        "Kafka keeps what nobody has read; the validator resumes where it stopped, and loses "
        "nothing.",
        (
            "python python_scripts/explore_kafka.py groups shows how many records wait: the lag.",
            "No validator may run. Of the simulator's records about 8 in 100 are rejected: "
            "a minute at 20 a second is enough.",
            "sensor_simulator.py --rate 20 --duration 60; sleep 30; stream_validator.py "
            "--exit-when-idle 2",
        ),
        graders.grade_catch_up,
    ),
    Exercise(
        "topic",
        PAGE,
        "change",
        "Create the topic `lab_hour` with 12 partitions, which keeps its records for one hour.",
        "A topic is created with its number of partitions, and has its own setting for how long it "
        "keeps records.",
        (
            "kafka-python's KafkaAdminClient creates topics; retention is a setting of the topic.",
            "The setting is called retention.ms; partitions can be added later, but not removed.",
            'KafkaAdminClient(bootstrap_servers="localhost:9092").create_topics({"lab_hour": '
            '{"num_partitions": 12, "configs": {"retention.ms": "3600000"}}}); delete_topics '
            "removes one that is wrong.",
        ),
        graders.grade_topic,
    ),
    Exercise(
        "own_group",
        PAGE,
        "change",
        "Write a consumer with the group `lab_counter`, which reads `sensor_readings_raw` from the "
        "beginning, counts the records of each partition into the table `lab.counted (partition "
        "integer, records bigint)` of `timeseries_db`, and commits its offsets.",
        "Groups do not disturb each other: each has its own offsets, and reads all records.",
        (
            "auto_offset_reset says where a new group begins to read.",
            "auto_offset_reset='earliest' begins with the first record; consumer.commit() stores "
            "how far the group has read. Send nothing while you count.",
            "KafkaConsumer('sensor_readings_raw', bootstrap_servers='localhost:9092', "
            "group_id='lab_counter', auto_offset_reset='earliest', consumer_timeout_ms=5000); "
            "count by record.partition, insert the counts, then consumer.commit() and "
            "consumer.close()",
        ),
        graders.grade_own_group,
    ),
    Exercise(
        "faster_stream",
        PAGE,
        "measure",
        "Raise the stream's throughput by half, and prove it with the data: let the simulator send "
        "at one rate for over two minutes, then at 1.5 times that rate or more. Two whole minutes, "
        "one after the other, must show it: each with valid readings in 58 of its seconds or more, "
        "the first with at least 100, the second with 1.5 times as many. The view "
        "`lab.per_minute` in `timeseries_db` shows the valid readings of `sensor_readings_raw` by "
        "the minute of their `time`, with the columns `minute` and `readings`.",
        "A rate is a count per span of time: compare whole minutes of event time.",
        (
            "At 5 readings a second, a whole minute has about 270 valid ones, and no empty second.",
            "Start the second simulator as soon as the first has ended, shortly before a new "
            "minute begins; date_trunc('minute', time) gives the minute.",
            "With a validator running: sensor_simulator.py --rate 5 --duration 125, then --rate 20 "
            "--duration 125; SELECT date_trunc('minute', time) AS minute, count(*) AS readings "
            "FROM sensor_readings WHERE topic = 'sensor_readings_raw' GROUP BY 1",
        ),
        graders.grade_faster_stream,
    ),
]
