/*
 * How many connections each peer's address has.  An address is in the table exactly while it has one, so the table holds no more of them than
 * there are connections.  The lock is held for a look into one bucket, at the beginning and at the end of a connection.
 */
#include "net/internal.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void
addresses_init(struct address_table *table)
{
	pthread_mutex_init(&table->mutex, NULL);
}

void
addresses_release(struct address_table *table)
{
	for (unsigned i = 0; i < NET_ADDRESS_BUCKETS; i++)
		assert(table->buckets[i] == NULL);
	pthread_mutex_destroy(&table->mutex);
}

/* False: the peer has no address. */
static bool
print_address(const struct sockaddr_storage *peer, char ret_text[static NET_ADDRESS_BYTES])
{
	const struct sockaddr_in *in4 = (const void *)peer;
	const struct sockaddr_in6 *in6 = (const void *)peer;
	struct in6_addr network = { .s6_addr = { 0 } };

	if (peer->ss_family == AF_INET)
		return inet_ntop(AF_INET, &in4->sin_addr, ret_text, NET_ADDRESS_BYTES) != NULL;
	if (peer->ss_family != AF_INET6)
		return false;
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		return inet_ntop(AF_INET, in6->sin6_addr.s6_addr + 12, ret_text, NET_ADDRESS_BYTES) != NULL;
	memcpy(network.s6_addr, in6->sin6_addr.s6_addr, 8);
	if (inet_ntop(AF_INET6, &network, ret_text, NET_ADDRESS_BYTES - 3) == NULL)
		return false;
	strcat(ret_text, "/64");
	return true;
}

static struct net_address **
bucket_of(struct address_table *table, const char *text)
{
	uint32_t h = 2166136261u;	/* FNV-1a; whoever collides on purpose needs many addresses, and each has a few entries at most */

	for (const char *p = text; *p != '\0'; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	return &table->buckets[h % NET_ADDRESS_BUCKETS];
}

static enum status
take(struct net_address **bucket, const char *text, unsigned max, struct net_address **ret_address)
{
	struct net_address *a = *bucket;

	while (a != NULL && strcmp(a->text, text) != 0)
		a = a->next;
	if (a == NULL) {
		a = calloc(1, sizeof(*a));
		if (a == NULL)
			return ST_NOMEM;
		strcpy(a->text, text);
		a->next = *bucket;
		*bucket = a;
	} else if (max != 0 && a->connections >= max) {
		return ST_FULL;
	}
	a->connections++;
	*ret_address = a;
	return ST_OK;
}

enum status
addresses_take(struct address_table *table, const struct sockaddr_storage *peer, unsigned max, struct net_address **ret_address)
{
	char text[NET_ADDRESS_BYTES];

	*ret_address = NULL;
	if (!print_address(peer, text))
		return ST_OK;
	pthread_mutex_lock(&table->mutex);
	enum status st = take(bucket_of(table, text), text, max, ret_address);
	pthread_mutex_unlock(&table->mutex);
	return st;
}

void
addresses_give(struct address_table *table, struct net_address *address)
{
	if (address == NULL)
		return;
	pthread_mutex_lock(&table->mutex);
	assert(address->connections > 0);
	if (--address->connections == 0) {
		struct net_address **p = bucket_of(table, address->text);
		while (*p != address)
			p = &(*p)->next;
		*p = address->next;
		free(address);
	}
	pthread_mutex_unlock(&table->mutex);
}
