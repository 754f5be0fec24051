"""The live picture of a run: Python mounts it once per page, and from then on it speaks with the run over a socket.

`streamlit.components.v2.component("stage", html=LOADER_HTML, js=LOADER_JS, isolate_styles=False)`; isolated styles
would break plotly's hover. The loader is all that Streamlit carries: it sends a component's source with every rerun.
"""

from pathlib import Path

# Addresses are relative to the page's base, so that they hold under server.baseUrlPath too.
LOADER_JS = """\
export default function (component) {
  const stage = import(new URL('./stage/stage.js', document.baseURI).href)
  stage.then((module) => module.default(component))
  return () => stage.then((module) => module.unmount(component.parentElement))
}
"""

# All modules are named here, so that the browser fetches them at once instead of one import after the other.
_MODULES = sorted(path.name for path in (Path(__file__).parent / "component").glob("*.js"))
_PRELOADS = "\n".join(f'<link rel="modulepreload" href="./stage/{name}">' for name in _MODULES)
LOADER_HTML = f"""\
<link rel="stylesheet" href="./stage/stage.css">
<link rel="stylesheet" href="./stage/lab.css">
<link rel="stylesheet" href="./stage/language.css">
<link rel="stylesheet" href="./stage/pairs.css">
<link rel="stylesheet" href="./stage/vision.css">
{_PRELOADS}
<div class="mv-stage" data-state="connecting" style="min-height: 22rem">
  <p style="font-size: 1.125rem">Loading the live picture…</p>
</div>
"""
