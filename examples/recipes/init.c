/* The first program of a microVM: starts what the image's start configuration says, as its user, and ends the
 * machine with it. It needs nothing of the image but that program.
 *
 *     cc -static -Os -Wall -Wextra -o init init.c      (or musl-gcc)
 *
 * Reads /etc/image.json as `layerpress build --config-file /etc/image.json` writes it: the `config` of an OCI
 * image configuration. Entrypoint and Cmd are the program, Env its environment (PATH and HOME are made where
 * missing), User its user and groups (names are looked up in the image's own /etc/passwd and /etc/group),
 * WorkingDir where it starts, StopSignal what it gets when the machine is asked to end (SIGTERM, or SIGINT by
 * Ctrl-Alt-Del). Ends by a restart, which ends Firecracker and qemu -no-reboot; or, where the kernel's command
 * line ends with `-- poweroff`, by turning the machine off, which ends Cloud Hypervisor. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONFIGURATION "/etc/image.json"
#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* What ends the machine. */
static int ending = RB_AUTOBOOT;

static _Noreturn void end(const char *format, ...) {
    va_list words;
    va_start(words, format);
    fflush(stdout);
    fprintf(stderr, "init: ");
    vfprintf(stderr, format, words);
    fprintf(stderr, "\n");
    va_end(words);
    if (getpid() == 1) {
        kill(-1, SIGKILL);
        sync();
        mount("", "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
        reboot(ending);
    }
    _exit(127);
}

static void *must(void *memory) {
    if (!memory)
        end("out of memory");
    return memory;
}

/* A list of texts, a null pointer behind the last. */
struct list {
    char **items;
    size_t count;
};

static void add(struct list *list, char *text) {
    list->items = must(realloc(list->items, (list->count + 2) * sizeof *list->items));
    list->items[list->count++] = text;
    list->items[list->count] = NULL;
}

/* JSON (RFC 8259). What is not asked for is read and dropped. */
static const char *at;

static void blank(void) {
    at += strspn(at, " \t\r\n");
}

static int next_is(char wanted) {
    blank();
    if (*at != wanted)
        return 0;
    at++;
    return 1;
}

static void expect(char wanted) {
    if (!next_is(wanted))
        end(CONFIGURATION ": expected %c, found %.20s", wanted, *at ? at : "the end");
}

static unsigned hex4(void) {
    unsigned number = 0;
    for (int digit = 0; digit < 4; digit++, at++) {
        const char *digits = "0123456789abcdef", *found = *at ? strchr(digits, *at | 0x20) : NULL;
        if (!found)
            end(CONFIGURATION ": expected four hexadecimal digits, found %.4s", at);
        number = number * 16 + (unsigned)(found - digits);
    }
    return number;
}

static char *utf8(char *to, unsigned code) {
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
        *to++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    } else {
        *to++ = (char)(0xf0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 0x3f));
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    }
    return to;
}

static char *text(void) {
    expect('"');
    /* No escape is shorter than what it stands for. */
    char *made = must(malloc(strlen(at) + 1)), *to = made;
    while (*at != '"') {
        if (!*at)
            end(CONFIGURATION ": a text has no end");
        if (*at != '\\') {
            *to++ = *at++;
            continue;
        }
        at++;
        const char *letters = "\"\\/bfnrt", *meant = "\"\\/\b\f\n\r\t", *found = *at ? strchr(letters, *at) : NULL;
        if (found) {
            *to++ = meant[found - letters];
            at++;
        } else if (*at == 'u') {
            at++;
            unsigned code = hex4();
            if (code >= 0xd800 && code < 0xdc00 && at[0] == '\\' && at[1] == 'u') {
                at += 2;
                code = 0x10000 + ((code - 0xd800) << 10) + (hex4() - 0xdc00);
            }
            if (code == 0 || code > 0x10ffff)
                end(CONFIGURATION ": a text with a character that no program can be given");
            to = utf8(to, code);
        } else {
            end(CONFIGURATION ": an escape of no known form");
        }
    }
    at++;
    *to = 0;
    return made;
}

static int is_null(void) {
    blank();
    if (strncmp(at, "null", 4))
        return 0;
    at += 4;
    return 1;
}

static struct list texts(void) {
    struct list list = {NULL, 0};
    if (is_null())
        return list;
    expect('[');
    if (next_is(']'))
        return list;
    do {
        blank();
        add(&list, text());
    } while (next_is(','));
    expect(']');
    return list;
}

static void skip(int depth) {
    blank();
    if (depth > 64)
        end(CONFIGURATION ": nested too deeply");
    if (*at == '"') {
        free(text());
    } else if (*at == '{' || *at == '[') {
        int is_object = *at == '{';
        char close = is_object ? '}' : ']';
        at++;
        if (next_is(close))
            return;
        do {
            if (is_object) {
                blank();
                free(text());
                expect(':');
            }
            skip(depth + 1);
        } while (next_is(','));
        expect(close);
    } else {
        size_t length = strspn(at, "-+.0123456789abcdefghijklmnopqrstuvwxyzE");
        if (!length)
            end(CONFIGURATION ": expected a value, found %.20s", *at ? at : "the end");
        at += length;
    }
}

struct start {
    struct list entrypoint, command, environment;
    char *user, *directory, *stop;
};

static char *slurp(const char *path) {
    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    size_t size = 0, room = 1 << 16;
    char *bytes = must(malloc(room + 1));
    for (size_t count; (count = fread(bytes + size, 1, room - size, file));) {
        size += count;
        if (size == room)
            bytes = must(realloc(bytes, (room *= 2) + 1));
    }
    fclose(file);
    bytes[size] = 0;
    return bytes;
}

static struct start read_configuration(void) {
    struct start start = {0};
    at = slurp(CONFIGURATION);
    if (!at)
        end("cannot read " CONFIGURATION ": %s", strerror(errno));
    expect('{');
    if (next_is('}'))
        return start;
    do {
        blank();
        char *key = text();
        expect(':');
        struct list *list = !strcmp(key, "Entrypoint") ? &start.entrypoint
                            : !strcmp(key, "Cmd")      ? &start.command
                            : !strcmp(key, "Env")      ? &start.environment
                                                       : NULL;
        char **one = !strcmp(key, "User")         ? &start.user
                     : !strcmp(key, "WorkingDir") ? &start.directory
                     : !strcmp(key, "StopSignal") ? &start.stop
                                                  : NULL;
        if (list)
            *list = texts();
        else if (one && !is_null())
            blank(), *one = text();
        else if (!one)
            skip(0);
        free(key);
    } while (next_is(','));
    expect('}');
    return start;
}

/* A line of /etc/passwd or /etc/group, cut at its colons; whether there is one more. */
static int line(char **rest, char *fields[7]) {
    char *one = strsep(rest, "\n");
    if (!one)
        return 0;
    for (int field = 0; field < 7; field++) {
        char *found = strsep(&one, ":");
        fields[field] = found ? found : "";
    }
    return 1;
}

static int is_number(const char *word, long *number) {
    char *rest;
    *number = strtol(word, &rest, 10);
    return *word >= '0' && *word <= '9' && !*rest && *number < UINT32_MAX;
}

/* Becomes the user, as containers' engines read User: NAME|UID[:GROUP|GID]. */
static const char *become(char *user) {
    long uid = 0, gid = 0, number;
    const char *home = "/", *name = "";
    char *group = user ? user : "", *fields[7], *rest;
    char *wanted = strsep(&group, ":");
    int is_known = is_number(*wanted ? wanted : "0", &uid);
    for (rest = slurp("/etc/passwd"); rest && line(&rest, fields);) {
        if (is_number(fields[2], &number) && (is_known ? number == uid : !strcmp(fields[0], wanted))) {
            uid = number;
            is_number(fields[3], &gid);
            name = fields[0];
            home = *fields[5] ? fields[5] : "/";
            is_known = 1;
            break;
        }
    }
    if (!is_known)
        end("no user %s in /etc/passwd", wanted);
    gid_t groups[256];
    size_t count = 0;
    int is_group_known = !group || is_number(group, &gid);
    for (rest = slurp("/etc/group"); rest && line(&rest, fields);) {
        if (!is_number(fields[2], &number))
            continue;
        if (group && !is_group_known && !strcmp(fields[0], group)) {
            gid = number;
            is_group_known = 1;
        }
        for (char *members = fields[3], *member; !group && (member = strsep(&members, ","));)
            if (*name && !strcmp(member, name) && count < 256)
                groups[count++] = (gid_t)number;
    }
    if (!is_group_known)
        end("no group %s in /etc/group", group);
    if (setgroups(count, groups) || setgid((gid_t)gid) || setuid((uid_t)uid))
        end("cannot become %s: %s", wanted, strerror(errno));
    return home;
}

static int signal_of(const char *name) {
    static const struct { const char *name; int number; } known[] = {
        {"HUP", SIGHUP}, {"INT", SIGINT}, {"QUIT", SIGQUIT}, {"KILL", SIGKILL},
        {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"TERM", SIGTERM}, {"WINCH", SIGWINCH}};
    long number;
    if (!name || !*name)
        return SIGTERM;
    if (is_number(name, &number))
        return (int)number;
    name += strncmp(name, "SIG", 3) ? 0 : 3;
    if (!strncmp(name, "RTMIN+", 6) && is_number(name + 6, &number))
        return SIGRTMIN + (int)number;
    for (size_t one = 0; one < sizeof known / sizeof *known; one++)
        if (!strcmp(known[one].name, name))
            return known[one].number;
    fprintf(stderr, "init: no signal %s is known, SIGTERM in its place\n", name);
    return SIGTERM;
}

static void prepare(void) {
    static const char *const mounts[][2] = {
        {"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/run"}, {"tmpfs", "/tmp"}};
    for (size_t number = 0; number < sizeof mounts / sizeof *mounts; number++) {
        const char *kind = mounts[number][0], *place = mounts[number][1];
        const char *options = strcmp(kind, "tmpfs") ? NULL : strcmp(place, "/tmp") ? "mode=0755" : "mode=1777";
        if (mount(kind, place, kind, MS_NOSUID, options) && errno != EBUSY)
            fprintf(stderr, "init: cannot mount %s: %s\n", place, strerror(errno));
    }
    /* A kernel that found no /dev/console before has opened none. */
    if (fcntl(1, F_GETFD) >= 0)
        return;
    int console = open("/dev/console", O_RDWR);
    for (int number = 0; console >= 0 && number < 3; number++)
        dup2(console, number);
    if (console > 2)
        close(console);
}

static _Noreturn void run(struct start *start) {
    struct list program = {NULL, 0};
    for (size_t number = 0; number < start->entrypoint.count; number++)
        add(&program, start->entrypoint.items[number]);
    for (size_t number = 0; number < start->command.count; number++)
        add(&program, start->command.items[number]);
    if (!program.count)
        end(CONFIGURATION ": expected Entrypoint or Cmd, found neither");
    setsid();
    ioctl(0, TIOCSCTTY, 1);
    const char *home = become(start->user);
    clearenv();
    putenv(DEFAULT_PATH);
    setenv("HOME", home, 1);
    for (size_t number = 0; number < start->environment.count; number++)
        putenv(start->environment.items[number]);
    const char *directory = start->directory && *start->directory ? start->directory : "/";
    if (chdir(directory))
        end("cannot start in %s: %s", directory, strerror(errno));
    execvp(program.items[0], program.items);
    end("cannot start %s: %s", program.items[0], strerror(errno));
}

int main(int count, char **words) {
    /* The kernel's: those behind `--` on its command line. */
    for (int at = 1; at < count; at++)
        if (!strcmp(words[at], "poweroff"))
            ending = RB_POWER_OFF;
    if (getpid() != 1)
        end("expected to be process 1, found %ld", (long)getpid());
    prepare();
    struct start start = read_configuration();
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGCHLD);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigprocmask(SIG_BLOCK, &ours, NULL);
    reboot(RB_DISABLE_CAD); /* Ctrl-Alt-Del is SIGINT. */
    pid_t child = fork();
    if (child < 0)
        end("cannot start a process: %s", strerror(errno));
    if (!child) {
        sigprocmask(SIG_UNBLOCK, &ours, NULL);
        run(&start);
    }
    for (int status;;) {
        int caught;
        sigwait(&ours, &caught);
        if (caught != SIGCHLD) {
            kill(child, signal_of(start.stop));
            continue;
        }
        for (pid_t ended; (ended = waitpid(-1, &status, WNOHANG)) > 0;) {
            if (ended != child)
                continue;
            if (WIFEXITED(status))
                end("ended with exit code %d", WEXITSTATUS(status));
            end("ended by signal %d", WTERMSIG(status));
        }
    }
}
