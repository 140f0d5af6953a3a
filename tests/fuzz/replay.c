/**
 * A target without libFuzzer: plays the files that are named, and all files of the directories that are named, through it.  The end of each
 * input lies against a page that nobody may touch, so that reading beyond it is a fault without any sanitizer.
 */
#include <dirent.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

#define INPUT_BYTES_MAX ((size_t)4 << 20)

static void
play(const uint8_t *data, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (size + page - 1) / page * page;
	uint8_t *map = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED || mprotect(map + room, page, PROT_NONE) != 0)
		err(2, "mmap");
	uint8_t *input = map + room - size;
	if (size > 0)
		memcpy(input, data, size);
	(void)LLVMFuzzerTestOneInput(input, size);
	(void)munmap(map, room + page);
}

static size_t
play_file(const char *path)
{
	static uint8_t data[INPUT_BYTES_MAX];
	FILE *file = fopen(path, "rb");

	if (file == NULL)
		err(2, "%s", path);
	size_t size = fread(data, 1, sizeof(data), file);
	if (ferror(file) != 0 || fgetc(file) != EOF)
		errx(2, "%s: it cannot be read, or has more than %zu bytes", path, sizeof(data));
	(void)fclose(file);
	printf("%s\n", path);		/* the last one printed is the one that failed */
	(void)fflush(stdout);
	play(data, size);
	return 1;
}

static size_t
play_path(const char *path)
{
	struct dirent **names;
	struct stat st;
	size_t n = 0;

	if (stat(path, &st) != 0)
		err(2, "%s", path);
	if (!S_ISDIR(st.st_mode))
		return play_file(path);
	int count = scandir(path, &names, NULL, alphasort);
	if (count < 0)
		err(2, "%s", path);
	for (int i = 0; i < count; i++) {
		char *file;
		if (names[i]->d_name[0] != '.') {
			if (asprintf(&file, "%s/%s", path, names[i]->d_name) < 0)
				err(2, "%s", path);
			n += play_file(file);
			free(file);
		}
		free(names[i]);
	}
	free(names);
	return n;
}

int
main(int argc, char **argv)
{
	size_t n = 0;

	for (int i = 1; i < argc; i++)
		n += play_path(argv[i]);
	if (n == 0)
		errx(2, "usage: %s FILE|DIRECTORY...; there is nothing to play", argv[0]);
	play(NULL, 0);
	printf("%zu inputs\n", n);
	return 0;
}
