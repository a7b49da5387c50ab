# etc/: the sample configuration. Never installed over one that is there: it is the user's.
EXTRA_DIST += etc/optimax.yaml
install-data-hook: install-configuration
install-configuration:
	$(MKDIR_P) '$(DESTDIR)$(sysconfdir)/optimax'
	test -e '$(DESTDIR)$(sysconfdir)/optimax/optimax.yaml' || \
		$(INSTALL_DATA) $(top_srcdir)/etc/optimax.yaml \
		'$(DESTDIR)$(sysconfdir)/optimax/optimax.yaml'
.PHONY: install-configuration
# The prompts that are built in, to be changed; never over the user's.
install-data-hook: install-prompts
install-prompts:
	$(MKDIR_P) '$(DESTDIR)$(sysconfdir)/optimax/prompts'
	for file in $(PROMPT_FILES); do \
		installed='$(DESTDIR)$(sysconfdir)/optimax/prompts'/$${file##*/}; \
		test -e "$$installed" || $(INSTALL_DATA) $(top_srcdir)/$$file "$$installed" || exit 1; \
	done
.PHONY: install-prompts
