# doc/: what it builds and what that links
dist_man_MANS += doc/optimaxctl.1 doc/optimax-protocol.7
# doc/: manual pages, written by hand

# optimaxd and its configuration
dist_man_MANS += doc/optimaxd.8 doc/optimax.yaml.5

# what a database administrator runs
dist_doc_DATA = doc/hardening.sql
EXTRA_DIST += doc/measured.md
