# systemd/: units with the paths of this build, the system user and the folder of the sockets
systemunit_files = systemd/optimaxd.service systemd/optimaxd.socket
nodist_systemunit_DATA = $(systemunit_files)
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d
EXTRA_DIST += systemd/optimaxd.service.in systemd/optimaxd.socket.in \
	systemd/optimax.sysusers systemd/optimax.tmpfiles
CLEANFILES += $(systemunit_files)

systemd/optimaxd.service: systemd/optimaxd.service.in Makefile
systemd/optimaxd.socket: systemd/optimaxd.socket.in Makefile
$(systemunit_files):
	$(AM_V_GEN)$(MKDIR_P) systemd && \
	sed -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g' \
		$(top_srcdir)/$@.in > $@.tmp && mv $@.tmp $@

# These are found by their endings.
install-data-local: install-systemd-files
install-systemd-files:
	$(MKDIR_P) '$(DESTDIR)$(sysusersdir)' '$(DESTDIR)$(tmpfilesdir)'
	$(INSTALL_DATA) $(top_srcdir)/systemd/optimax.sysusers '$(DESTDIR)$(sysusersdir)/optimax.conf'
	$(INSTALL_DATA) $(top_srcdir)/systemd/optimax.tmpfiles '$(DESTDIR)$(tmpfilesdir)/optimax.conf'
uninstall-local: uninstall-systemd-files
uninstall-systemd-files:
	rm -f '$(DESTDIR)$(sysusersdir)/optimax.conf' '$(DESTDIR)$(tmpfilesdir)/optimax.conf'
.PHONY: install-systemd-files uninstall-systemd-files
