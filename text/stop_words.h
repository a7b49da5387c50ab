/*
 * General words that carry no content of their own, and what each is. The list is
 * stop_words.def; who must account for every content word of a question asks here.
 */
#pragma once

enum stop_word_class {
	STOP_WORD_NONE, /* the word has content */
	STOP_WORD_ARTICLE,
	STOP_WORD_PREPOSITION,
	STOP_WORD_PRONOUN,
	STOP_WORD_DEMONSTRATIVE,
	STOP_WORD_AUXILIARY,
	STOP_WORD_CONJUNCTION,
	STOP_WORD_QUESTION,
	STOP_WORD_NEGATION,
	STOP_WORD_QUANTIFIER,
	STOP_WORD_POLITENESS,
	STOP_WORD_REQUEST, /* show, list, give: asks, and says nothing about what */
	STOP_WORD_ADVERB,
	STOP_WORD_FILLER,
};

/* The class of a case-folded word. */
enum stop_word_class stop_word_find(const char *folded);
