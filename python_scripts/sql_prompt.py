"""The console's prompt: history, completion, statements over several lines.

A module of its own because prompt_toolkit takes as long to import as all the rest of a script, and
is needed at a terminal only.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory
from prompt_toolkit.lexers import PygmentsLexer
from pygments.lexers.sql import PostgresLexer  # type: ignore[import-untyped]

from pipeline_settings import PROJECT_FOLDER
from python_scripts.sql_statements import is_finished, read_entries

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

WORDS = """
SELECT unnest(string_to_array('SELECT FROM WHERE GROUP BY ORDER HAVING LIMIT JOIN USING AND OR NOT
    NULL AS WITH COUNT SUM AVG MIN MAX DISTINCT BETWEEN INSERT UPDATE DELETE time_bucket', ' '))
UNION SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'
UNION SELECT column_name FROM information_schema.columns WHERE table_schema = 'public'"""


def typed_entries(connection: "Connection", write: bool) -> Iterator[str]:
    """Ask for statements at a prompt with history and completion until \\q or Ctrl-D."""
    history = PROJECT_FOLDER / ".local" / "sql_history"
    history.parent.mkdir(exist_ok=True)
    session: PromptSession[str] = PromptSession(
        f"{connection.info.dbname}{'=#' if write else '=>'} ",
        lexer=PygmentsLexer(PostgresLexer),
        history=FileHistory(str(history)),
        completer=WordCompleter(_words(connection), ignore_case=True),
        complete_while_typing=False,
        multiline=Condition(lambda: not is_finished(session.default_buffer.text)),
    )
    while True:
        try:
            yield from read_entries([session.prompt()])
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


def _words(connection: "Connection") -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(WORDS)
        return [word for (word,) in cursor.fetchall()]
