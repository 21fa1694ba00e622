"""The local page: two files in, answers out, on this machine alone.

Pages are made here and sent as HTML, with a little script that they can do without. The framework is Starlette with
uvicorn: of four that were tried with one page and Jinja2 it answers first after 0.16 s of processor time (bottle 0.10,
flask with waitress 0.23, nicegui 0.68), takes 30 MB of memory (25, 31, 69) and 4 MB of packages (2, 3, 82), and unlike
bottle and flask it sends a page in parts while another process computes, and limits the parts of a form.
"""
