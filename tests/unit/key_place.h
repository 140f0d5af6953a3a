/* key_place.h: a directory of its own for each test of keys, and keys that are known: those of RFC 8032, section 7.1. */
#ifndef FEALTY_TESTS_UNIT_KEY_PLACE_H
#define FEALTY_TESTS_UNIT_KEY_PLACE_H

#include <sys/types.h>

#include "signer/signer.h"

#define SEED_1 "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
#define SEED_2 "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
#define SEED_3 "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"
#define PUBLIC_1 "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
#define PUBLIC_2 "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
#define OLD_1 "transaction.21fe31dfa154a261.old.key"
#define OLD_2 "checkpoint.39f713d0a644253f.old.key"
#define PUBLIC_3 "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"

extern const char *const key_names[KEY_COUNT];	/* of the files */

struct place {
	char root[64], dir[80], path[128];	/* <root>/keys is for the keys */
};
int place_setup(void **state);
int place_teardown(void **state);		/* asserts that nothing is left but keys */

const char *path_of(struct place *p, const char *name);	/* in the key directory; until the next call */
void write_file(struct place *p, const char *name, const char *text, mode_t mode);
void assert_hex(const uint8_t *data, size_t len, const char *want);

#endif
