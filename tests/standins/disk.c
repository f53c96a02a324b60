// A disk that fails, or a power cut, at one call of a program:
//   disk MODE AT LOG FOLDER PROGRAM [ARGUMENT...]
// Each call of the program itself (not of its children) that changes something below FOLDER is written to LOG as
// `CALL PATH #NTH`: the path below FOLDER, with `*` for each run of digits and each hash, and the how manyth of this name it is, so
// that it is called the same in each run. At the one that AT names:
//   none    nothing
//   kill    the program is killed before it
//   torn    half of a write is done, then the program is killed; another call is done, then the program is killed
//   eio     it fails with EIO, this once
//   enospc  it fails with ENOSPC, and so does everything after it that needs room
// The exit code, or the signal, is the program's. x86_64 and aarch64.
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BY_HANDLE, BY_PATH, BY_PATH_AT };
struct call { long number; const char *name; int kind; int argument; int needs_room; };
// `argument` is the one with the handle or the path; for those at a folder the handle of it is the one before.
static const struct call calls[] = {
    {SYS_write, "write", BY_HANDLE, 0, 1},        {SYS_pwrite64, "write", BY_HANDLE, 0, 1},
    {SYS_writev, "write", BY_HANDLE, 0, 1},       {SYS_copy_file_range, "copy", BY_HANDLE, 2, 1},
    {SYS_sendfile, "copy", BY_HANDLE, 0, 1},      {SYS_fsync, "sync", BY_HANDLE, 0, 0},
    {SYS_fdatasync, "sync", BY_HANDLE, 0, 0},     {SYS_ftruncate, "truncate", BY_HANDLE, 0, 1},
    {SYS_openat, "create", BY_PATH_AT, 1, 1},     {SYS_mkdirat, "mkdir", BY_PATH_AT, 1, 1},
    {SYS_unlinkat, "unlink", BY_PATH_AT, 1, 0},   {SYS_renameat2, "rename", BY_PATH_AT, 3, 1},
    {SYS_linkat, "link", BY_PATH_AT, 3, 1},       {SYS_symlinkat, "link", BY_PATH_AT, 2, 1},
#ifdef SYS_open
    {SYS_open, "create", BY_PATH, 0, 1},          {SYS_mkdir, "mkdir", BY_PATH, 0, 1},
    {SYS_unlink, "unlink", BY_PATH, 0, 0},        {SYS_rmdir, "unlink", BY_PATH, 0, 0},
    {SYS_rename, "rename", BY_PATH, 1, 1},        {SYS_renameat, "rename", BY_PATH_AT, 3, 1},
    {SYS_link, "link", BY_PATH, 1, 1},            {SYS_symlink, "link", BY_PATH, 1, 1},
#endif
};
enum { CALLS = sizeof calls / sizeof *calls };

static const char *mode, *at, *folder;
static FILE *log_file;
static pid_t program;
static int full;
static struct { char *name; int count; } seen[8192];

static void die(const char *what) { perror(what); _exit(125); }

// Only these calls stop the program: everything else runs at full speed.
static void filter(void) {
    struct sock_filter code[CALLS * 2 + 2];
    int n = 0;
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < CALLS; i++) {
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i].number, 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog whole = {.len = (unsigned short)n, .filter = code};
    if (!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &whole)) return; // root needs no more
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &whole)) die("seccomp");
}

static int link_of(char *out, size_t size, const char *format, ...) {
    char path[128];
    va_list rest;
    va_start(rest, format);
    vsnprintf(path, sizeof path, format, rest);
    va_end(rest);
    ssize_t length = readlink(path, out, size - 1);
    if (length < 0) return 0;
    out[length] = 0;
    return 1;
}

// The text at an address of the program.
static int text_of(pid_t thread, unsigned long address, char *out, size_t size) {
    size_t got = 0;
    while (got < size - 1) {
        size_t piece = 256 - (address + got) % 256;
        if (piece > size - 1 - got) piece = size - 1 - got;
        struct iovec to = {out + got, piece}, from = {(void *)(address + got), piece};
        ssize_t read = process_vm_readv(thread, &to, 1, &from, 1, 0);
        if (read <= 0) return 0;
        if (memchr(out + got, 0, (size_t)read)) return 1;
        got += (size_t)read;
    }
    return 0;
}

// The path that a call is about; none where it changes nothing.
static int path_of(pid_t thread, const struct call *call, const uint64_t *arguments, char *out, size_t size) {
    char text[4096], base[4096];
    if (call->kind == BY_HANDLE) return link_of(out, size, "/proc/%d/fd/%d", thread, (int)arguments[call->argument]);
    if (!text_of(thread, arguments[call->argument], text, sizeof text)) return 0;
    if (text[0] == '/') {
        snprintf(out, size, "%s", text);
    } else {
        int handle = call->kind == BY_PATH ? AT_FDCWD : (int)arguments[call->argument - 1];
        int found = handle == AT_FDCWD ? link_of(base, sizeof base, "/proc/%d/cwd", thread)
                                       : link_of(base, sizeof base, "/proc/%d/fd/%d", thread, handle);
        if (!found) return 0;
        if ((size_t)snprintf(out, size, "%s/%s", base, text) >= size) return 0;
    }
    if (strcmp(call->name, "create")) return 1;
    uint64_t flags = arguments[call->argument + 1];
    return (flags & O_TRUNC) || ((flags & O_CREAT) && access(out, F_OK) != 0);
}

// `CALL PATH #NTH`, counted.
static int name_of(const struct call *call, const char *path, char *out, size_t size) {
    size_t length = strlen(folder);
    if (strncmp(path, folder, length) || (path[length] != '/' && path[length])) return 0;
    char short_path[4096];
    size_t to = 0;
    for (const char *from = path + length; *from && to < sizeof short_path - 1;) {
        size_t word = strcspn(from, "/.-_"), hex = strspn(from, "0123456789abcdef");
        // A hash is another one each time, letters and all.
        if (word == hex && word >= 4) {
            short_path[to++] = '*';
            from += word;
        } else if (*from >= '0' && *from <= '9') {
            if (to == 0 || short_path[to - 1] != '*') short_path[to++] = '*';
            from++;
        } else {
            short_path[to++] = *from++;
        }
    }
    short_path[to] = 0;
    char name[4200];
    snprintf(name, sizeof name, "%s %s", call->name, short_path[0] == '/' ? short_path + 1 : ".");
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++) {
        if (!seen[i].name) seen[i].name = strdup(name);
        if (strcmp(seen[i].name, name)) continue;
        snprintf(out, size, "%s #%d", name, ++seen[i].count);
        return 1;
    }
    return 0;
}

#ifdef __x86_64__
typedef struct user_regs_struct registers;
#define RESULT(r) ((r).rax)
#define THIRD(r) ((r).rdx)
static void skip(pid_t thread, registers *r) { (void)thread; r->orig_rax = (unsigned long long)-1; }
#else
typedef struct user_regs_struct registers;
#define RESULT(r) ((r).regs[0])
#define THIRD(r) ((r).regs[2])
#ifndef NT_ARM_SYSTEM_CALL
#define NT_ARM_SYSTEM_CALL 0x404
#endif
static void skip(pid_t thread, registers *r) {
    int none = -1;
    struct iovec of = {&none, sizeof none};
    (void)r;
    if (ptrace(PTRACE_SETREGSET, thread, NT_ARM_SYSTEM_CALL, &of)) die("call");
}
#endif

static void get(pid_t thread, registers *r) {
    struct iovec of = {r, sizeof *r};
    if (ptrace(PTRACE_GETREGSET, thread, NT_PRSTATUS, &of)) die("registers");
}
static void set(pid_t thread, registers *r) {
    struct iovec of = {r, sizeof *r};
    if (ptrace(PTRACE_SETREGSET, thread, NT_PRSTATUS, &of)) die("registers");
}

static void fail(pid_t thread, int error) {
    registers r;
    get(thread, &r);
    skip(thread, &r);
    RESULT(r) = (unsigned long)-error;
    set(thread, &r);
}

// How the program goes on from this call: PTRACE_CONT, or PTRACE_SYSCALL to be killed after it.
static int judge(pid_t thread) {
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0) return PTRACE_CONT;
    const struct call *call = NULL;
    for (int i = 0; i < CALLS && !call; i++)
        if ((unsigned long)calls[i].number == info.seccomp.nr) call = &calls[i];
    char path[8192], name[4300], own[64], status[128];
    // Threads of the program itself share its number.
    snprintf(own, sizeof own, "/proc/%d/task/%d", program, thread);
    snprintf(status, sizeof status, "%s/comm", own);
    if (!call || access(status, F_OK) || !path_of(thread, call, info.seccomp.args, path, sizeof path) ||
        !name_of(call, path, name, sizeof name))
        return PTRACE_CONT;
    fprintf(log_file, "%s\n", name);
    fflush(log_file);
    if (full && call->needs_room) {
        fail(thread, ENOSPC);
        return PTRACE_CONT;
    }
    if (strcmp(name, at)) return PTRACE_CONT;
    fprintf(log_file, "HIT\n");
    fflush(log_file);
    if (!strcmp(mode, "kill")) {
        kill(program, SIGKILL);
    } else if (!strcmp(mode, "eio")) {
        fail(thread, EIO);
    } else if (!strcmp(mode, "enospc")) {
        full = 1;
        if (call->needs_room) fail(thread, ENOSPC);
    } else if (!strcmp(mode, "torn")) {
        registers r;
        get(thread, &r);
        if (call->number == SYS_write || call->number == SYS_pwrite64) {
            THIRD(r) = THIRD(r) / 2;
            set(thread, &r);
        }
        return PTRACE_SYSCALL;
    }
    return PTRACE_CONT;
}

int main(int count, char **words) {
    if (count < 6) return fprintf(stderr, "disk MODE AT LOG FOLDER PROGRAM [ARGUMENT...]\n"), 2;
    mode = words[1], at = words[2], folder = words[4];
    log_file = fopen(words[3], "we");
    if (!log_file) die(words[3]);
    program = fork();
    if (program == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        filter();
        execvp(words[5], words + 5);
        die(words[5]);
    }
    int status;
    waitpid(program, &status, 0);
    long options = PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                   PTRACE_O_TRACEVFORK | PTRACE_O_TRACESYSGOOD;
    if (ptrace(PTRACE_SETOPTIONS, program, 0, options)) die("trace");
    ptrace(PTRACE_CONT, program, 0, 0);
    for (;;) {
        pid_t thread = waitpid(-1, &status, __WALL);
        if (thread < 0) return 125;
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (thread != program) continue;
            if (WIFEXITED(status)) return WEXITSTATUS(status);
            signal(WTERMSIG(status), SIG_DFL);
            raise(WTERMSIG(status));
            return 125;
        }
        int stopped = WSTOPSIG(status), event = status >> 16, how = PTRACE_CONT, give = 0;
        if (event == PTRACE_EVENT_SECCOMP) how = judge(thread);
        else if (stopped == (SIGTRAP | 0x80)) kill(program, SIGKILL); // the torn call was done
        else if (event || stopped == SIGTRAP || stopped == SIGSTOP) give = 0;
        else give = stopped;
        ptrace(how, thread, 0, give);
    }
}
