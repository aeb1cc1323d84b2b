"""The pages tell the truth about the repository: links, names, versions, settings, commands."""

import re
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from local_stack import airflow
from pipeline_common.settings import PROJECT_FOLDER, Settings
from tests.acceptance.readme.blocks import files_in_git, pages

README = PROJECT_FOLDER / "README.md"
COMPOSE_FILES = sorted(PROJECT_FOLDER.glob("docker-compose*.yml"))


def text_of(name: str) -> str:
    return (PROJECT_FOLDER / name).read_text()


def section(page: str, heading: str) -> str:
    """The text below a heading of a page, up to the next heading of its level."""
    level = heading.split(maxsplit=1)[0]
    return text_of(page).split(f"\n{heading}\n")[1].split(f"\n{level} ")[0]


def table_rows(text: str) -> Iterator[list[str]]:
    """The cells of every row of the tables in a text, heads left out."""
    lines = text.splitlines()
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and not line.startswith("|-") and not after.startswith("|-"):
            yield cells


# --- Links ----------------------------------------------------------------------------------------


def tokens_of(page: Path) -> Iterator[Token]:
    for token in MarkdownIt().enable("table").parse(page.read_text()):
        yield token
        yield from token.children or ()


def links_of(page: Path) -> Iterator[str]:
    """Targets of the links and pictures of a page."""
    for token in tokens_of(page):
        target = token.attrGet("href") or token.attrGet("src")
        if isinstance(target, str):
            yield target


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links_of(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        is_page = target.suffix == ".md" and anchor
        if not target.exists() or (is_page and anchor not in anchors_of(target)):
            broken.append(link)
    assert broken == []


def test_a_line_that_a_page_quotes_is_in_the_file_that_it_links() -> None:
    """In rows of tables: | ... | `line` | [file](file) |."""
    gone = [
        (page.name, path, code)
        for page in pages()
        for code, path in re.findall(
            r"`([^`]+)` \| \[[^]]+\]\(([^)#:]+)\) \|$", page.read_text(), re.M
        )
        if code not in (page.parent / path).read_text()
    ]
    assert gone == []


def test_the_readme_is_read_in_one_sitting() -> None:
    assert len(text_of("README.md").splitlines()) <= 200


def test_the_readme_leads_to_every_page() -> None:
    linked = {(PROJECT_FOLDER / link.partition("#")[0]).resolve() for link in links_of(README)}
    assert {page.name for page in pages() if page != README and page not in linked} == set()


# --- Names ----------------------------------------------------------------------------------------


def test_the_project_tree_is_that_of_the_repository() -> None:
    tree = section("CONTRIBUTING.md", "## Where things are")
    folder, named = "", []
    for branch, name in re.findall(r"^(│   )?[├└]── (\S+)", tree, re.M):
        folder = folder if branch else name
        named.append(folder + name if branch else name)
    files = files_in_git()
    gone = [n for n in named if not any(f == n or f.startswith(n.rstrip("/") + "/") for f in files)]
    assert gone == []
    top = {f.partition("/")[0] + ("/" if "/" in f else "") for f in files}
    assert {name for name in top - set(named) if name[0] != "."} == set()


def test_the_dependency_table_is_that_of_the_requirements() -> None:
    rows = list(table_rows(section("README.md", "## Dependencies")))
    assert [row[0] for row in rows] == requirements()
    assert all(row[1] for row in rows)


def requirements() -> list[str]:
    """The packages that the requirements files name, in their order."""
    return [
        re.split(r"[\[=<>]", line)[0]
        for name in ("requirements.txt", "requirements-dev.txt")
        for line in text_of(name).splitlines()
        if line[:1].isalpha()
    ]


def test_every_package_that_is_imported_is_in_the_requirements() -> None:
    """Except the peers of the benchmarks, which uv runs in environments of their own."""
    known = {name.lower() for name in requirements()} | {"data-pipeline-exploration"}
    distributions = packages_distributions()
    for file in files_in_git():
        if file.endswith(".py") and "benchmarks" not in file:
            for name in re.findall(r"^ *(?:import|from) (\w+)", text_of(file), re.M):
                packages = {p.lower().replace("_", "-") for p in distributions.get(name, ())}
                assert not packages or packages & known, f"{file} imports {name}"


def test_every_image_is_in_the_versions_table() -> None:
    versions = text_of("docs/versions.md")
    services = yaml.safe_load(text_of("docker-compose.yml"))["services"]
    for service in services.values():
        assert f"`{service['image']}`" in versions


def test_every_setting_is_in_env_example_and_nothing_else_is() -> None:
    example = set(re.findall(r"^(\w+)=", text_of(".env.example"), re.M))
    lines = "\n".join(path.read_text() for path in COMPOSE_FILES).splitlines()
    compose = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    read_by_compose = set(re.findall(r"(?<!\$)\$\{(\w+)", compose))
    settings = {name.upper() for name in Settings.model_fields}
    assert example == settings | read_by_compose


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.M))
    for page in pages():
        for token in tokens_of(page):
            if token.type == "code_inline" or (token.type, token.info) == ("fence", "bash"):
                text = re.sub(r"#.*", "", token.content)
                for words in re.findall(r"\bmake(?: -\w+)*((?: [a-z][a-z-]*)+)", text):
                    assert set(words.split()) <= targets, f"{page.name}: make{words}"


def test_every_service_is_in_the_table_of_services() -> None:
    addresses = {
        row[0].strip("`"): row[1] for row in table_rows(section("README.md", "## Two commands"))
    }
    services = yaml.safe_load(text_of("docker-compose.yml"))["services"]
    assert list(addresses) == list(services)
    for name, service in services.items():
        ports = [re.findall(r":-(\d+)\}", mapping)[0] for mapping in service.get("ports", [])]
        assert re.findall(r":(\d+)$", addresses[name]) == ports


def test_the_connection_form_has_what_airflow_init_enters(tmp_path: Path) -> None:
    rows = {
        row[0]: row[1:]
        for row in table_rows(section("docs/course/4-batch.md", "### The connection"))
    }
    fields = {"Host": "host", "Login": "login", "Password": "password", "Database": "schema"}
    settings = Settings(**{name: field.default for name, field in Settings.model_fields.items()})
    airflow.write_files(settings, tmp_path)
    local = yaml.safe_load((tmp_path / "connections.json").read_text())["postgres_default"]
    init = yaml.safe_load(text_of("docker-compose.yml"))["services"]["airflow_init"]
    address = re.search(r'"host": "(\w+)", "port": (\d+)', init["command"][0])
    assert address
    docker = {"host": address[1], "port": address[2]} | {
        key: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", init["environment"][f"PIPELINE_{name}"])
        for key, name in [("login", "USER"), ("password", "PASSWORD"), ("schema", "DATABASE")]
    }
    for field, key in fields.items():
        assert rows[field] == [docker[key], local[key]], field
    assert rows["Port"][0] == docker["port"]
    assert rows["Port"][1].startswith(f"{local['port']},")


# --- Reason codes ---------------------------------------------------------------------------------


def codes_of(page: str) -> set[str]:
    """Reason codes in the last column of a bad-input table."""
    cells = (row[-1] for row in table_rows(text_of(page)))
    named = re.findall(r"(?:quarantined|invalid): ([a-z0-9_, ]+)", "\n".join(cells))
    return {code.strip() for codes in named for code in codes.split(",")}


def test_the_page_of_rules_names_every_reason() -> None:
    page = text_of("docs/data-quality.md")
    named = set(re.findall(r"`([a-z0-9_]+)`", page))
    endings = tuple(re.findall(r"`…(_[a-z_]+)`", page))
    codes = codes_of("docs/batch-bad-input.md") | codes_of("docs/streaming-bad-input.md")
    assert len(codes) > 30
    assert {code for code in codes if code not in named and not code.endswith(endings)} == set()
    rules = page.split("## How to see it")[0].split("## The same in both")[1]
    in_tables = re.findall(r"`([a-z0-9_]+)`", " ".join(row[-1] for row in table_rows(rules)))
    assert set(in_tables) - codes == set()
