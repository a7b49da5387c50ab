# text/: what it builds and what that links

# the schema snapshot: one struct, its bytes, its sealed descriptor
noinst_LIBRARIES += libsnapshot.a
libsnapshot_a_SOURCES = text/snapshot.c text/snapshot_codec.c text/snapshot.h
libsnapshot_a_CFLAGS = $(AM_CFLAGS) $(XXHASH_CFLAGS)
SNAPSHOT_LIBS = libsnapshot.a $(COMMON_LIBS) $(XXHASH_LIBS)
noinst_LIBRARIES += libtext.a
libtext_a_SOURCES = \
	text/abbreviations.def text/irregular.def text/sql_shape_words.def text/stop_words.def \
	text/compose.c text/compose.h \
	text/identifier.c text/identifier.h \
	text/normalise.c text/normalise.h \
	text/sql_pieces.c text/sql_pieces.h \
	text/sql_shape.c text/sql_shape.h \
	text/stop_words.c text/stop_words.h \
	text/tokens.c text/tokens.h \
	text/vocabulary.c text/vocabulary.h
libtext_a_CFLAGS = $(AM_CFLAGS) $(UTF8PROC_CFLAGS) $(XXHASH_CFLAGS)
TEXT_LIBS = libtext.a $(UTF8PROC_LIBS) $(STEMMER_LIBS) $(XXHASH_LIBS) -lm

# schema linking: which tables a question is about
libtext_a_SOURCES += text/linking.c text/linking.h text/linking_graph.c text/linking_graph.h \
	text/related.c text/related.def text/related.h

# one spelling for British and American English
libtext_a_SOURCES += text/spelling.c text/spelling.def text/spelling.h

# what a question's words find, and what that is worth
libtext_a_SOURCES += text/linking_hits.c text/linking_hits.h text/linking_weights.def \
	text/linking_weights.h
