"""The dashboard's pages: stream, batch, trace, lab.

Streamlit runs this file from top to bottom for each visitor; `python python_scripts/dashboard.py`
starts it. The numbers come from the queries of sql/queries/, and are read again every two seconds.
"""

import streamlit as st

from python_scripts.dashboard_batch import batch_page
from python_scripts.dashboard_lab import lab_page
from python_scripts.dashboard_parts import REFRESH_SECONDS
from python_scripts.dashboard_stream import stream_page
from python_scripts.dashboard_trace import trace_page

st.set_page_config("Data pipelines", layout="wide")
st.html("<style>.stMainBlockContainer {padding-top: 4rem}</style>")
page = st.navigation(
    [
        st.Page(stream_page, title="Stream", url_path="stream", default=True),
        st.Page(batch_page, title="Batch", url_path="batch"),
        st.Page(trace_page, title="Trace", url_path="trace"),
        st.Page(lab_page, title="Lab", url_path="lab"),
    ],
    position="top",
)
page.run()
st.caption(f"Read from the databases and Kafka every {REFRESH_SECONDS} seconds. Times are UTC.")
