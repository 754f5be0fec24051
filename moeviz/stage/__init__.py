"""The live picture of a run: its scripts, the routes that serve them, its socket, and who may come in.

`streamlit.components.v2.component("stage", html=LOADER_HTML, js=LOADER_JS, isolate_styles=False)`; isolated styles
would break plotly's hover. The loader is all that Streamlit carries: it sends a component's source with every rerun.
"""

import hashlib
from pathlib import Path

COMPONENT_DIR = Path(__file__).parent / "component"
_FILES = [  # rules for all pages before those of one
    COMPONENT_DIR / "stage.css",
    *sorted(path for path in COMPONENT_DIR.rglob("*.css") if path.name != "stage.css"),
    *sorted(COMPONENT_DIR.rglob("*.js")),
]
# Part of every address: browsers keep the files for good, and see an update as soon as the server has started anew. The
# times are in it because a file may be edited, and put back, while a server runs.
_STATES = (path.read_bytes() + str(path.stat().st_mtime_ns).encode() for path in _FILES)
VERSION = hashlib.sha256(b"".join(_STATES)).hexdigest()[:16]
_FOLDER = f"./stage/{VERSION}"  # relative to the page's base, so that it holds under server.baseUrlPath too

LOADER_JS = f"""\
export default function (component) {{
  const stage = import(new URL('{_FOLDER}/stage.js', document.baseURI).href)
  stage.then((module) => module.default(component))
  return () => stage.then((module) => module.unmount(component.parentElement))
}}
"""

# All files are named here, so that the browser fetches them at once instead of one import after the other.
_LINKS = "\n".join(
    f'<link rel="{"stylesheet" if name.endswith(".css") else "modulepreload"}" href="{_FOLDER}/{name}">'
    for name in (path.relative_to(COMPONENT_DIR).as_posix() for path in _FILES)
)
LOADER_HTML = f"""\
{_LINKS}
<div class="mv-stage" data-state="connecting" style="min-height: 22rem">
  <p style="font-size: 1.125rem">Loading the live picture…</p>
</div>
"""
