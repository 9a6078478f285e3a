"""The documentation as a site: every link leads somewhere, and nothing is loaded from elsewhere."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOADED = re.compile(
    r"""<link[^>]+href="([^"]+)|\bsrc="([^"]+)|\burl\(["']?([^"')]+)|@import "([^"]+)"""
)
"""What a page or a style sheet has the browser load by itself."""


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "A self-hosted" in (tmp_path / "index.html").read_text()
    pages = [path for path in tmp_path.rglob("*") if path.suffix in {".html", ".css"}]
    assert any(path.suffix == ".css" for path in pages)
    foreign = {}
    for page in pages:
        text = page.read_text()
        assert page.suffix == ".css" or LOADED.search(text), page
        loaded = ["".join(one) for one in LOADED.findall(text)]
        if found := [one for one in loaded if one.startswith(("http", "//"))]:
            foreign[page.relative_to(tmp_path)] = found
    assert not foreign
