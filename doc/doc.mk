# doc/: what it builds and what that links
dist_man_MANS += doc/optimaxctl.1 doc/optimax-protocol.7
