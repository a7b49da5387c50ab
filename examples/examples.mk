# examples/: the sample database of script/demo and of the tests
EXTRA_DIST += examples/shop.sql examples/shop_role.sql
# examples/: what it builds and what that links

# Clients. The one in C is compiled here too, so that it stays right.
EXTRA_DIST += examples/client.py
noinst_PROGRAMS += examples/client
examples_client_SOURCES = examples/client.c
examples_client_CPPFLAGS = -I$(top_srcdir)/client
examples_client_CFLAGS = $(AM_CFLAGS) $(MSGPACK_CFLAGS)
examples_client_LDADD = liboptimax_objects.la $(MSGPACK_LIBS)
