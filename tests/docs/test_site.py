"""The documentation as a site: every link leads somewhere, and nothing is loaded from elsewhere."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "index.html").read_text()
    assert "A self-hosted" in page
    loaded = re.findall(r"""<link[^>]+href="([^"]+)|src="([^"]+)""", page)
    assert loaded
    assert not [one for one in loaded if "".join(one).startswith(("http", "//"))]
