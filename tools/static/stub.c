/*
 * The loader inside the static binary. It runs twice, both times before any code of the program:
 *
 *   kernel → stage1 → ld.so (unmodified) → stage2 → the program's own entry point
 *
 * stage1 copies the embedded libraries into memory files, under names that pack.ts has put into
 * the program's list of needed libraries, and tells ld.so, through the auxiliary vector, that it
 * was started in the ordinary way. stage2 replaces what ld.so mapped from those memory files by
 * mappings of our own file, so that all processes share the pages, and removes every trace.
 *
 * No libc, no relocations, no static data: whatever changes from build to build is in `config`,
 * which pack.ts writes into the page behind this code. docs/static-binary.md tells the whole.
 */

#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <sys/syscall.h>

#define ENOENT 2
#define AT_FDCWD (-100)
#define O_CLOEXEC 02000000
#define PROT_READ 1
#define PROT_EXEC 4
#define MAP_PRIVATE 2
#define MAP_FIXED 16
#define MFD_CLOEXEC 1
#define MFD_NOEXEC_SEAL 8 /* since Linux 6.3 */
#define FALLOC_FL_KEEP_SIZE 1
#define FALLOC_FL_PUNCH_HOLE 2

enum { LIBRARIES = 3, NAME_SIZE = 32 };

/* Written by pack.ts; addresses are those of the file, before the kernel moves the image. */
struct config {
  uint64_t self;    /* of the first byte of this code */
  uint64_t page;    /* largest page of any kernel of this architecture */
  uint64_t entry;   /* the program's entry point */
  uint64_t phdr;    /* its original program headers */
  uint64_t phnum;
  uint64_t dynamic; /* its dynamic section */
  uint64_t ldso, ldso_entry;
  struct library {
    uint64_t offset, size;  /* in our file */
    uint64_t fd;            /* from stage1 to stage2 */
    char path[NAME_SIZE];   /* "/proc/self//fd/"; stage1 adds the number, ld.so opens it */
    char soname[NAME_SIZE];
  } library[LIBRARIES];
};

#define HIDDEN __attribute__((visibility("hidden"))) /* reached without a relocation */
extern struct config config HIDDEN;
extern const char code_start[] HIDDEN, stage2_entry[] HIDDEN;

static long sys(long number, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
  register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall" : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b,
                x2 __asm__("x2") = c, x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
#else
#error "no system calls for this machine"
#endif
}

static int is_error(long result) { return result < 0 && result > -4096; }

static char *end_of(char *text) {
  while (*text) text++;
  return text;
}

static int same(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

static void write_number(char *text, long number) {
  long digits = 1;
  for (long rest = number; rest >= 10; rest /= 10) digits++;
  text[digits] = 0;
  for (; digits--; number /= 10) text[digits] = '0' + number % 10;
}

/* Ends the process: `message`, the system call's answer, exit code 127 as for a missing program. */
static void fail(const char *message, long result) {
  char line[128] = "kg: ";
  char *end = end_of(line);
  while (*message) *end++ = *message++;
  for (const char *text = ": errno "; *text;) *end++ = *text++;
  write_number(end, -result);
  end = end_of(end);
  *end++ = '\n';
  sys(SYS_write, 2, (long)line, end - line, 0, 0, 0);
  for (;;) sys(SYS_exit_group, 127, 0, 0, 0, 0, 0);
}

/* How far the kernel has moved the image. */
static uint64_t bias(void) { return (uint64_t)code_start - config.self; }

/* The stack at the start of a program: argc, argv, 0, environment, 0, auxiliary vector. */
static char **environment(long *stack) { return (char **)(stack + 1 + stack[0] + 1); }

static uint64_t *auxiliary(long *stack, uint64_t type) {
  char **end = environment(stack);
  while (*end) end++;
  Elf64_auxv_t *entry = (Elf64_auxv_t *)(end + 1);
  for (; entry->a_type != type; entry++)
    if (entry->a_type == AT_NULL) fail("the kernel's auxiliary vector is not complete", 0);
  return &entry->a_un.a_val;
}

/* Turns LD_… in the environment into from…: ld.so must not see it; programs we start shall. */
static void rename_ld(char **env, char from, char to) {
  for (; *env; env++)
    if ((*env)[0] == from && (*env)[1] == 'D' && (*env)[2] == '_') (*env)[0] = to;
}

static long open_self(void) {
  long fd = sys(SYS_openat, AT_FDCWD, (long)"/proc/self/exe", O_CLOEXEC, 0, 0, 0);
  if (fd == -ENOENT) fail("/proc is not mounted, and nothing can be loaded without it", fd);
  if (fd < 0) fail("cannot read its own file", fd);
  return fd;
}

/* A memory file with the library's bytes. */
static long unpack(struct library *library, long self) {
  long fd = sys(SYS_memfd_create, (long)library->soname, MFD_CLOEXEC | MFD_NOEXEC_SEAL, 0, 0, 0, 0);
  if (fd < 0) fd = sys(SYS_memfd_create, (long)library->soname, MFD_CLOEXEC, 0, 0, 0, 0);
  if (fd < 0) fail("cannot make a memory file", fd);
  int64_t offset = library->offset;
  for (uint64_t left = library->size; left;) {
    long copied = sys(SYS_sendfile, fd, self, (long)&offset, left, 0, 0);
    if (copied <= 0) fail("cannot copy its own libraries", copied);
    left -= copied;
  }
  return fd;
}

/* Runs on the stack that the kernel made. Returns where to go on: ld.so. */
__attribute__((used)) uint64_t stage1(long *stack) {
  rename_ld(environment(stack), 'L', '\1');
  long self = open_self();
  for (struct library *library = config.library; library < config.library + LIBRARIES; library++) {
    library->fd = unpack(library, self);
    write_number(end_of(library->path), library->fd);
  }
  sys(SYS_close, self, 0, 0, 0, 0, 0);
  *auxiliary(stack, AT_PHDR) = bias() + config.phdr;
  *auxiliary(stack, AT_PHNUM) = config.phnum;
  *auxiliary(stack, AT_BASE) = bias() + config.ldso;
  *auxiliary(stack, AT_ENTRY) = (uint64_t)stage2_entry;
  return bias() + config.ldso_entry;
}

/* What ld.so has loaded. */
static struct link_map *loaded(void) {
  for (Elf64_Dyn *entry = (Elf64_Dyn *)(bias() + config.dynamic); entry->d_tag != DT_NULL; entry++)
    if (entry->d_tag == DT_DEBUG) return ((struct r_debug *)entry->d_un.d_ptr)->r_map;
  return 0;
}

/*
 * Maps the read-only segments from our own file in place of the memory file, and frees those pages
 * of it. Nothing is lost where the kernel refuses: the bytes are the same, only not shared.
 */
static void share(struct link_map *map, struct library *library, long self) {
  const Elf64_Ehdr *header = (const Elf64_Ehdr *)map->l_addr;
  const Elf64_Phdr *segment = (const Elf64_Phdr *)(map->l_addr + header->e_phoff);
  for (int n = header->e_phnum; n--; segment++) {
    if (segment->p_type != PT_LOAD || segment->p_flags & PF_W) continue;
    uint64_t lead = segment->p_vaddr % config.page; /* no other segment is there, pack.ts checks it */
    uint64_t from = segment->p_offset - lead, size = segment->p_filesz + lead;
    long protection = PROT_READ | (segment->p_flags & PF_X ? PROT_EXEC : 0);
    long at = sys(SYS_mmap, map->l_addr + segment->p_vaddr - lead, size, protection,
                  MAP_PRIVATE | MAP_FIXED, self, library->offset + from);
    if (is_error(at)) continue;
    /* Never the last page: of the file, not of memory, a writable segment may begin in it. */
    uint64_t whole = size - size % config.page;
    if (whole) sys(SYS_fallocate, library->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, whole, 0, 0);
  }
}

/* Runs when ld.so is done. Returns where to go on: the program. */
__attribute__((used)) uint64_t stage2(long *stack) {
  /* Of a program with more rights than its caller, ld.so would have removed them for good. */
  if (!*auxiliary(stack, AT_SECURE)) rename_ld(environment(stack), '\1', 'L');
  long self = open_self();
  for (struct library *library = config.library; library < config.library + LIBRARIES; library++) {
    for (struct link_map *map = loaded(); map; map = map->l_next) {
      if (!same(map->l_name, library->path)) continue;
      share(map, library, self);
      map->l_name = library->soname; /* the number may soon be another file's */
    }
    sys(SYS_close, library->fd, 0, 0, 0, 0, 0);
  }
  sys(SYS_close, self, 0, 0, 0, 0, 0);
  return bias() + config.entry;
}

/*
 * Both entries hand the stack pointer over and keep the stack aligned to 16 bytes. stage2_entry
 * passes on what ld.so gives the program: its exit function (in rdx, x0).
 */
#if defined(__x86_64__)
__asm__(".section .text.start,\"ax\"\n"
        ".globl code_start, stage2_entry\n.hidden code_start, stage2_entry\n"
        "code_start:\n"
        "  mov %rsp, %rdi\n"
        "  call stage1\n"
        "  xor %edx, %edx\n"
        "  jmp *%rax\n"
        "stage2_entry:\n"
        "  mov %rsp, %rdi\n"
        "  push %rdx\n"
        "  push %rdx\n"
        "  call stage2\n"
        "  pop %rdx\n"
        "  pop %rdx\n"
        "  jmp *%rax\n");
#else
__asm__(".section .text.start,\"ax\"\n"
        ".globl code_start, stage2_entry\n.hidden code_start, stage2_entry\n"
        "code_start:\n"
        "  mov x0, sp\n"
        "  bl stage1\n"
        "  mov x16, x0\n"
        "  mov x0, xzr\n"
        "  br x16\n"
        "stage2_entry:\n"
        "  str x0, [sp, #-16]!\n"
        "  add x0, sp, #16\n"
        "  bl stage2\n"
        "  mov x16, x0\n"
        "  ldr x0, [sp], #16\n"
        "  br x16\n");
#endif
