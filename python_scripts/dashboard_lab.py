"""The lab page: which exercises are done, and the next one."""

import pandas as pd
import streamlit as st

from lab.check import PROGRESS, Progress, number_of, overview
from pipeline_common.errors import StackError
from python_scripts.dashboard_parts import REFRESH_SECONDS, plain

COLUMNS = {
    "number": "exercise",
    "page": "course page",
    "kind": "kind",
    "name": "name",
    "state": "state",
}
MARKS = {"done": "✓ done", "next": "next", "open": "open"}


@st.fragment(run_every=REFRESH_SECONDS)
def lab_page() -> None:
    """The progress that `make check` keeps."""
    st.header("Lab: exercises that check themselves")
    try:
        progress = Progress(PROGRESS)
    except StackError as error:
        st.warning(plain(str(error)))
        return
    entries = pd.DataFrame(overview(progress))
    done = int((entries["state"] == "done").sum())
    st.progress(done / len(entries), f"{done} of {len(entries)} exercises are done")
    if left := progress.left():
        following = left[0]
        number = number_of(following)
        st.subheader(f"Next: exercise {number}")
        st.write(following.task)
        st.code(f"make check EXERCISE={number}", language=None)
    else:
        st.success("All exercises are done.")
    entries["state"] = entries["state"].map(MARKS)
    st.table(entries[list(COLUMNS)].rename(columns=COLUMNS))
