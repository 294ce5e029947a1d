"""The site that was built, in a browser: no error of accessibility, and nothing wider than the screen."""

import base64
import json
import re
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import pytest

pytestmark = pytest.mark.full

SITE = Path(__file__).parents[2] / "build" / "site"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PAGES = (
    "index.html",
    "start/evaluate_two_folders.html",
    "guides/measure.html",
    "concepts/undefined_and_policies.html",
    "coming_from/pymia.html",
    "notebooks/creation.html",
    "api/evaluation.html",
    "metrics.html",
    "correctness.html",
    "search.html",
)
"""One of each kind; the largest ones (`api/metrics.html`, `backends.html`) take a minute each."""

LOOK = """
axe.run(document, {resultTypes: ["violations"]}).then(found => {
  const violations = found.violations.map(v => [v.impact, v.id, v.nodes.map(n => n.html.slice(0, 200)).slice(0, 5)]);
  const seen = {passes: found.passes.length, wide: document.documentElement.scrollWidth, violations};
  const node = document.createElement("pre");
  node.id = "seen";
  node.textContent = btoa(unescape(encodeURIComponent(JSON.stringify(seen))));
  document.body.append(node);
});
"""


def seen_in_a_browser(page, width, folder):
    """Return what the browser and the accessibility engine see of a page."""
    axe = resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    text = page.read_text(encoding="utf-8")
    # Beside the page, as its style sheets and scripts are found from there; a name of its own for each width.
    copy = page.with_name(f"{page.stem}.seen-{width}.html")
    copy.write_text(text.replace("</body>", f"<script>{axe}</script><script>{LOOK}</script></body>"), encoding="utf-8")
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}",
        f"--window-size={width},900", "--virtual-time-budget=60000", "--dump-dom", copy.as_uri(),
    ]  # fmt: skip
    try:
        run = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, timeout=240)
    finally:
        copy.unlink()
    return json.loads(base64.b64decode(re.search(r'<pre id="seen">([^<]*)</pre>', run.stdout)[1]))


@pytest.mark.skipif(BROWSER is None, reason="not checked: there is no Chromium")
@pytest.mark.parametrize("width", [1280, 480])
@pytest.mark.parametrize("page", PAGES)
def test_a_browser_finds_no_fault_in_a_page(page, width, tmp_path):
    pytest.importorskip("axe_core_python", reason="not checked: there is no axe-core-python")
    if not (SITE / "index.html").exists():
        pytest.skip("not checked: build the site first, python -m sphinx docs build/site")
    seen = seen_in_a_browser(SITE / page, width, tmp_path)
    assert [found for found in seen["violations"] if found[0] in ("serious", "critical")] == []
    assert seen["passes"] > 15
    # Only tables and code scroll sideways, never the page. Chromium without a window is never narrower than 500.
    assert seen["wide"] <= max(width, 500)
