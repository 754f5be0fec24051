"""The live picture of a run: Python mounts it once per page, and from then on it speaks with the run over a socket.

`streamlit.components.v2.component("stage", html=LOADER_HTML, js=LOADER_JS, isolate_styles=False)`; isolated styles
would break plotly's hover. The loader is all that Streamlit carries: it sends a component's source with every rerun.
"""

# `base` is where the app lives, also under server.baseUrlPath; the browser keeps the modules until they change.
LOADER_JS = """\
export default function (component) {
  const stage = import(new URL('./stage/stage.js', document.baseURI).href)
  stage.then((module) => module.default(component))
  return () => stage.then((module) => module.unmount(component.parentElement))
}
"""

LOADER_HTML = """\
<div class="mv-stage" data-state="connecting" style="min-height: 22rem">
  <p style="font-size: 1.125rem">Loading the live picture…</p>
</div>
"""
