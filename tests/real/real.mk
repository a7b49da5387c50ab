# Against a real inference engine, where script/real-engine has built one; else skipped, and said so.
.PHONY: check-real
check-real: all
	$(AM_V_at)top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' \
		/usr/bin/python3 -B -m pytest -q -rs -p no:cacheprovider --rootdir='$(abs_top_srcdir)/tests/real' \
		'$(abs_top_srcdir)/tests/real'
EXTRA_DIST += script/real-engine
