# etc/: the sample configuration. Never installed over one that is there: it is the user's.
EXTRA_DIST += etc/optimax.yaml
install-data-hook: install-configuration
install-configuration:
	$(MKDIR_P) '$(DESTDIR)$(sysconfdir)/optimax'
	test -e '$(DESTDIR)$(sysconfdir)/optimax/optimax.yaml' || \
		$(INSTALL_DATA) $(top_srcdir)/etc/optimax.yaml \
		'$(DESTDIR)$(sysconfdir)/optimax/optimax.yaml'
.PHONY: install-configuration
