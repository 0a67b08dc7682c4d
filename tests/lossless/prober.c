/*
 * Sends UDP packets between network namespaces and tells what became of each: one process for all of
 * them, so that measuring costs next to nothing and both ends share one clock.
 *
 * Standard input, one item a line, says what to do:
 *
 *   port PORT                    all packets go to this UDP port
 *   end PID ADDRESS              a place to send from and to: the network namespace of a process
 *   flow FROM TO TICKS same|new  a packet every TICKS × 10 ms, FROM and TO count the ends from 0;
 *                                `same`: all from one source port, `new`: from another one each
 *   start
 *
 * It answers `started`, and `alive` as soon as a packet of each flow has arrived. When standard input
 * ends, it sends no more, waits until everything has arrived, at most a second, and prints a line of
 * JSON for each flow:
 *
 *   {"sent":N,"lost":N,"foreign":N,"reordered":N,"duplicated":N,"slowest":MS,"gaps":[[AT,FOR],…]}
 *
 * foreign: arrived, but from another address than the sender's, so somebody masqueraded it.
 * slowest: the longest way of a packet. gaps: runs of lost packets, AT and FOR in milliseconds: when
 * the first of a run was sent, counted from the start, and how long until one was sent that arrived.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 10
#define DRAIN_MS 1000
#define MAX_ENDS 64
#define MAX_FLOWS 1024
#define MAX_PACKETS 60000 /* ten minutes of a packet each 10 ms */
#define FIRST_SOURCE_PORT 1024

struct end {
	struct in_addr address;
	int udp; /* bound to the port: receives everything, sends the `same` flows */
	int raw; /* sends the `new` flows, whose source ports need no sockets then */
};

struct flow {
	int from, to;
	unsigned ticks;
	bool new_ports;
	unsigned sent, arrived, foreign, reordered, duplicated;
	unsigned highest;  /* sequence number that arrived, plus one */
	double slowest;    /* milliseconds */
	float *sent_at;    /* milliseconds, by sequence number */
	uint8_t *is_here;  /* by sequence number */
};

struct payload {
	uint32_t run; /* tells our packets from those of a prober before us */
	uint32_t flow;
	uint32_t sequence;
};

static struct end ends[MAX_ENDS];
static struct flow flows[MAX_FLOWS];
static int end_count, flow_count;
static int silent_count; /* flows of which nothing has arrived yet */
static uint16_t port;
static uint32_t run;
static double origin;

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
	int error = errno;
	va_list arguments;
	va_start(arguments, format);
	fputs("prober: ", stderr);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, ": %s\n", strerror(error));
	exit(1);
}

/* Milliseconds. */
static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static void say(const char *word)
{
	puts(word);
	fflush(stdout);
}

static void add_end(int pid, const char *address)
{
	if (end_count == MAX_ENDS) fail("more than %d ends", MAX_ENDS);
	struct end *end = &ends[end_count++];
	if (inet_pton(AF_INET, address, &end->address) != 1) fail("address %s", address);

	char path[64];
	snprintf(path, sizeof path, "/proc/%d/ns/net", pid);
	int network = open(path, O_RDONLY | O_CLOEXEC);
	if (network < 0) fail("%s", path);
	if (setns(network, CLONE_NEWNET) < 0) fail("entering %s", path);
	close(network);

	/* A socket stays in the namespace it was made in. */
	end->udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	end->raw = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_RAW);
	if (end->udp < 0 || end->raw < 0) fail("socket at %s", address);
	int size = 1 << 20;
	setsockopt(end->udp, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
	struct sockaddr_in here = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = end->address,
	};
	if (bind(end->udp, (struct sockaddr *)&here, sizeof here) < 0) fail("bind to %s", address);
}

static void add_flow(int from, int to, unsigned ticks, bool new_ports)
{
	if (flow_count == MAX_FLOWS) fail("more than %d flows", MAX_FLOWS);
	if (from < 0 || to < 0 || from >= end_count || to >= end_count || ticks == 0) fail("flow");
	flows[flow_count++] = (struct flow){
		.from = from, .to = to, .ticks = ticks, .new_ports = new_ports,
		.sent_at = calloc(MAX_PACKETS, sizeof(float)), .is_here = calloc(MAX_PACKETS, 1),
	};
}

/* What is asked for, up to the word to start. */
static void read_orders(void)
{
	char line[256], text[64];
	int a, b;
	unsigned ticks;
	while (fgets(line, sizeof line, stdin)) {
		if (sscanf(line, "port %hu", &port) == 1) continue;
		if (sscanf(line, "end %d %63s", &a, text) == 2) add_end(a, text);
		else if (sscanf(line, "flow %d %d %u %63s", &a, &b, &ticks, text) == 4)
			add_flow(a, b, ticks, strcmp(text, "new") == 0);
		else if (strcmp(line, "start\n") == 0) return;
		else fail("cannot understand %s", line);
	}
	exit(0);
}

/* What cannot be sent is as lost as what does not arrive. */
static void send_one(struct flow *flow)
{
	struct end *from = &ends[flow->from];
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = ends[flow->to].address,
	};
	struct {
		struct iphdr ip;
		struct udphdr udp;
		struct payload payload;
	} packet = { .payload = { run, flow - flows, flow->sent } };
	if (flow->sent == MAX_PACKETS) fail("more than %d packets", MAX_PACKETS);
	flow->sent_at[flow->sent] = now() - origin;

	if (flow->new_ports) {
		unsigned spread = (run + flow->sent) % (65536 - FIRST_SOURCE_PORT);
		packet.ip = (struct iphdr){
			.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP,
			.saddr = from->address.s_addr, .daddr = to.sin_addr.s_addr,
		};
		packet.udp = (struct udphdr){
			.source = htons(FIRST_SOURCE_PORT + spread), .dest = to.sin_port,
			.len = htons(sizeof packet.udp + sizeof packet.payload), /* no checksum */
		};
		to.sin_port = 0;
		sendto(from->raw, &packet, sizeof packet, 0, (struct sockaddr *)&to, sizeof to);
	} else {
		sendto(from->udp, &packet.payload, sizeof packet.payload, 0, (struct sockaddr *)&to, sizeof to);
	}
	flow->sent++;
}

static void receive_all(int at)
{
	struct payload payload;
	struct sockaddr_in from;
	for (;;) {
		socklen_t length = sizeof from;
		ssize_t size = recvfrom(ends[at].udp, &payload, sizeof payload, 0, (struct sockaddr *)&from, &length);
		if (size < 0) {
			if (errno == EAGAIN) return;
			continue; /* an ICMP error: the packet it is about is missing anyway */
		}
		if (size != sizeof payload || payload.run != run || payload.flow >= (unsigned)flow_count) continue;
		struct flow *flow = &flows[payload.flow];
		uint32_t sequence = payload.sequence;
		if (flow->to != at || sequence >= flow->sent) continue;
		if (flow->is_here[sequence]) {
			flow->duplicated++;
			continue;
		}
		flow->is_here[sequence] = 1;
		if (flow->arrived++ == 0 && --silent_count == 0) say("alive");
		if (from.sin_addr.s_addr != ends[flow->from].address.s_addr) flow->foreign++;
		if (sequence + 1 < flow->highest) flow->reordered++;
		else flow->highest = sequence + 1;
		double way = now() - origin - flow->sent_at[sequence];
		if (way > flow->slowest) flow->slowest = way;
	}
}

static bool is_everything_here(void)
{
	for (int i = 0; i < flow_count; i++)
		if (flows[i].arrived < flows[i].sent) return false;
	return true;
}

static void tell(const struct flow *flow)
{
	printf("{\"sent\":%u,\"lost\":%u,\"foreign\":%u,\"reordered\":%u,\"duplicated\":%u,\"slowest\":%.1f,\"gaps\":[",
		flow->sent, flow->sent - flow->arrived, flow->foreign, flow->reordered, flow->duplicated,
		flow->slowest);
	const char *separator = "";
	for (unsigned i = 0; i < flow->sent;) {
		if (flow->is_here[i]) {
			i++;
			continue;
		}
		unsigned first = i;
		while (i < flow->sent && !flow->is_here[i]) i++;
		double until = i < flow->sent ? flow->sent_at[i]
		                              : flow->sent_at[i - 1] + flow->ticks * TICK_MS;
		printf("%s[%.0f,%.0f]", separator, flow->sent_at[first], until - flow->sent_at[first]);
		separator = ",";
	}
	puts("]}");
}

int main(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setvbuf(stdin, NULL, _IONBF, 0); /* poll() must see what was not read */
	read_orders();
	run = (uint32_t)getpid() << 16 ^ (uint32_t)time(NULL);

	struct pollfd polled[MAX_ENDS + 2];
	for (int i = 0; i < end_count; i++) polled[i] = (struct pollfd){ ends[i].udp, POLLIN, 0 };
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	struct timespec tick = { .tv_nsec = TICK_MS * 1000000 };
	timerfd_settime(timer, 0, &(struct itimerspec){ tick, tick }, NULL);
	struct pollfd *ticking = &polled[end_count], *orders = &polled[end_count + 1];
	*ticking = (struct pollfd){ timer, POLLIN, 0 };
	*orders = (struct pollfd){ STDIN_FILENO, POLLIN, 0 };

	origin = now();
	silent_count = flow_count;
	say("started");
	double deadline = 0; /* once it is set nothing more is sent */
	for (unsigned ticks = 0; !deadline || (now() < deadline && !is_everything_here());) {
		poll(polled, end_count + 2, TICK_MS);
		for (int i = 0; i < end_count; i++)
			if (polled[i].revents) receive_all(i);
		if (orders->revents && !deadline) {
			deadline = now() + DRAIN_MS;
			orders->fd = -1;
		}
		uint64_t passed; /* what was missed is not made up for: no bursts */
		if (!ticking->revents || read(timer, &passed, sizeof passed) < 0 || deadline) continue;
		ticks++;
		for (int i = 0; i < flow_count; i++)
			if ((ticks + i) % flows[i].ticks == 0) send_one(&flows[i]);
	}
	for (int i = 0; i < flow_count; i++) tell(&flows[i]);
	return 0;
}
