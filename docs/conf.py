"""How the site is built: `make docs`. The API pages are made from `skhep_anomaly.__all__`."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import skhep_anomaly

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "skhep_anomaly"
author = "The skhep_anomaly developers"
copyright = "2026, The skhep_anomaly developers"
release = version = skhep_anomaly.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "api_pages",
    "docstrings",
]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["_build", "gallery", "auto_gallery/*.py", "auto_gallery/**/*.ipynb"]
templates_path = ["_templates"]
default_role = "code"  # `name` in a docstring is code

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's Parameters say the types
numpydoc_class_members_toctree = False
numpydoc_show_class_members = False  # autodoc lists them, inherited ones of ours too

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": r"/plot_",
    "abort_on_example_error": False,
    "only_warn_on_example_error": False,
    "show_memory": False,
    "download_all_examples": False,
    "remove_config_comments": True,
    "capture_repr": (),  # what is to be read is printed
}

html_theme = "pydata_sphinx_theme"
html_title = "skhep_anomaly"
html_static_path = ["_static"]
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}

# A page must not hang on the network, nor break because a helper library moved something.
warnings.filterwarnings("ignore", category=DeprecationWarning)
