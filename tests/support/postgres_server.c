/* SPDX-License-Identifier: MIT
 *
 * Three processes: the test; its supervisor, which knows by the end of a pipe that the test is gone; the postmaster, which the kernel ends
 * with the supervisor. PostgreSQL refuses to run as root: then it runs as the user "postgres" or "nobody".
 */
#include "postgres_server.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SKIP = 77, BROKEN = 99 };

/* Orders to the supervisor, and its reports. */
enum { RESTART = 'r', UP = 'u', DOWN = 'd' };

static const char ready_line[] = "database system is ready to accept connections";

/* ---- Running programs --------------------------------------------------------------------------------------------------------- */

static const struct passwd *other_user(void) {
    if (geteuid() != 0)
        return NULL;
    const struct passwd *user = getpwnam("postgres");
    return user ? user : getpwnam("nobody");
}

static void become_other_user(void) {
    const struct passwd *user = other_user();
    if (user && (setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0))
        _exit(126);
}

/* Runs a program in `directory`, its output going to `output`. Returns the process. */
static pid_t spawn(const char *directory, int output, char *const arguments[]) {
    pid_t child = fork();
    if (child != 0)
        return child;
    become_other_user();
    signal(SIGPIPE, SIG_DFL);
    /* After the change of user, which would undo it. */
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(output < 0 ? null : output, STDOUT_FILENO);
    dup2(output < 0 ? null : output, STDERR_FILENO);
    unsetenv("PGDATA");
    if (chdir(directory) == 0)
        execvp(arguments[0], arguments);
    _exit(127);
}

static bool run(const char *directory, char *const arguments[]) {
    int status = -1;
    pid_t child = spawn(directory, -1, arguments);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool program_in(const char *directory, const char *name, char path[512]) {
    snprintf(path, 512, "%s/%s", directory, name);
    return access(path, X_OK) == 0;
}

/* Looks where Debian puts the newest, then along PATH. */
static bool find_program(const char *name, char path[512]) {
    glob_t found;
    bool is_there = false;
    if (glob("/usr/lib/postgresql/*/bin", GLOB_NOSORT, NULL, &found) == 0) {
        for (size_t i = found.gl_pathc; i > 0 && !is_there; i--)
            is_there = program_in(found.gl_pathv[i - 1], name, path);
        globfree(&found);
    }
    char *directories = strdup(getenv("PATH") ? getenv("PATH") : "/usr/bin"), *rest = NULL;
    for (char *at = strtok_r(directories, ":", &rest); at && !is_there; at = strtok_r(NULL, ":", &rest))
        is_there = program_in(at, name, path);
    free(directories);
    return is_there;
}

/* ---- The cluster -------------------------------------------------------------------------------------------------------------- */

static bool write_file(const postgres_server *server, const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", server->directory, name);
    FILE *file = fopen(path, "a");
    bool written = file && fputs(text, file) >= 0;
    return file && fclose(file) == 0 && written;
}

static bool make_directory(postgres_server *server) {
    snprintf(server->directory, sizeof server->directory, "/tmp/dbpool-pg-XXXXXX");
    const struct passwd *user = other_user();
    return mkdtemp(server->directory) && (!user || chown(server->directory, user->pw_uid, user->pw_gid) == 0);
}

/* A server without one does without TLS. */
static void make_certificate(const postgres_server *server) {
    char *const make[] = {"openssl", "req", "-x509",   "-newkey",         "rsa:2048", "-nodes",          "-subj", "/CN=localhost",
                          "-days",   "2",   "-keyout", "data/server.key", "-out",     "data/server.crt", NULL};
    char *const protect[] = {"chmod", "600", "data/server.key", NULL};
    if (run(server->directory, make) && run(server->directory, protect))
        write_file(server, "data/postgresql.conf", "ssl = on\n");
}

static bool make_cluster(const postgres_server *server, char *initdb) {
    char *const arguments[] = {initdb, "-D",   "data",       "-U",        POSTGRES_SERVER_USER, "-A", "scram-sha-256", "--pwfile=password",
                               "-E",   "UTF8", "--locale=C", "--no-sync", "--no-instructions",  NULL};
    if (!write_file(server, "password", POSTGRES_SERVER_PASSWORD "\n") || !run(server->directory, arguments))
        return false;
    make_certificate(server);
    return write_file(server, "data/postgresql.conf",
                      "max_connections = 60\nsuperuser_reserved_connections = 2\nshared_buffers = 16MB\nfsync = off\nautovacuum = off\n"
                      "max_wal_senders = 0\nwal_level = minimal\nlisten_addresses = '127.0.0.1'\nlogging_collector = off\n"
                      "log_destination = stderr\nlog_min_messages = log\n");
}

/* A port that was free a moment ago. */
static void choose_port(postgres_server *server) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&address, length) == 0)
        getsockname(fd, (struct sockaddr *)&address, &length);
    close(fd);
    snprintf(server->port, sizeof server->port, "%u", ntohs(address.sin_port));
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk) {
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

static void remove_directory(const postgres_server *server) { nftw(server->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

/* ---- The supervisor ----------------------------------------------------------------------------------------------------------- */

struct supervisor {
    const postgres_server *server;
    char *postgres, *initdb;
    int orders, reports;
    pid_t postmaster;
    int log; /* what the postmaster prints */
    char line[512];
    size_t length;
};

static void report(const struct supervisor *self, char what) {
    if (write(self->reports, &what, 1) != 1)
        self = NULL; /* nobody listens any more */
}

static bool start_postmaster(struct supervisor *self) {
    char port[8];
    char directory[64];
    int log[2];
    snprintf(port, sizeof port, "%s", self->server->port);
    snprintf(directory, sizeof directory, "%s", self->server->directory);
    char *const arguments[] = {self->postgres, "-D", "data", "-k", directory, "-p", port, NULL};
    if (pipe2(log, O_CLOEXEC) != 0)
        return false;
    self->postmaster = spawn(self->server->directory, log[1], arguments);
    close(log[1]);
    self->log = log[0];
    self->length = 0;
    return self->postmaster > 0;
}

/* Ends the postmaster as a crash would, even one that a test has stopped. */
static void end_postmaster(struct supervisor *self) {
    if (self->postmaster <= 0)
        return;
    postgres_server_signal_all(self->server, SIGCONT);
    kill(self->postmaster, SIGQUIT);
    while (waitpid(self->postmaster, NULL, 0) < 0 && errno == EINTR)
        continue;
    self->postmaster = 0;
    close(self->log);
    self->log = -1;
}

/* Reads on in what the postmaster prints. The first lines go by until it is ready; its end is reported too. */
static void read_log(struct supervisor *self) {
    ssize_t got = read(self->log, self->line + self->length, sizeof self->line - 1 - self->length);
    if (got <= 0) {
        end_postmaster(self);
        report(self, DOWN);
        return;
    }
    self->length += (size_t)got;
    self->line[self->length] = '\0';
    if (strstr(self->line, ready_line))
        report(self, UP);
    char *last = strrchr(self->line, '\n');
    size_t keep = last ? strlen(last + 1) : self->length < sizeof self->line - 1 ? self->length : 0;
    memmove(self->line, self->line + self->length - keep, keep + 1);
    self->length = keep;
}

static bool obey(struct supervisor *self) {
    char order;
    if (read(self->orders, &order, 1) != 1)
        return false; /* the test is gone, or wants us to */
    end_postmaster(self);
    if (!start_postmaster(self))
        report(self, DOWN);
    return true;
}

static void supervise(struct supervisor *self) {
    setsid();
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd <= 2; fd++)
        dup2(null, fd);
    signal(SIGPIPE, SIG_IGN);
    /* A shell starts its background jobs with these ignored; what end_postmaster sends to a process that is just being made would be lost.
     * */
    signal(SIGINT, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    /* The cluster is made here and not by the test, which may be gone before it is whole. */
    bool wanted = make_cluster(self->server, self->initdb) && start_postmaster(self);
    while (wanted) {
        struct pollfd pipes[2] = {
            {.fd = self->orders, .events = POLLIN},
            {.fd = self->log,    .events = POLLIN}
        };
        if (poll(pipes, 2, -1) < 0)
            continue;
        if (pipes[1].revents)
            read_log(self);
        if (pipes[0].revents)
            wanted = obey(self);
    }
    end_postmaster(self);
    remove_directory(self->server);
    _exit(0);
}

/* ---- What tests call ---------------------------------------------------------------------------------------------------------- */

static bool await_report(const postgres_server *server) {
    char what = DOWN;
    ssize_t got;
    do
        got = read(server->reports, &what, 1);
    while (got < 0 && errno == EINTR);
    return got == 1 && what == UP;
}

static bool start_supervisor(postgres_server *server, char *postgres, char *initdb) {
    int orders[2], reports[2];
    choose_port(server);
    if (pipe2(orders, O_CLOEXEC) != 0 || pipe2(reports, O_CLOEXEC) != 0)
        return false;
    server->supervisor = fork();
    if (server->supervisor == 0) {
        close(orders[1]);
        close(reports[0]);
        supervise(&(struct supervisor){
            .server = server, .postgres = postgres, .initdb = initdb, .orders = orders[0], .reports = reports[1], .log = -1});
    }
    close(orders[0]);
    close(reports[1]);
    server->orders = orders[1];
    server->reports = reports[0];
    return server->supervisor > 0 && await_report(server);
}

int postgres_server_start(postgres_server *server) {
    char postgres[512], initdb[512];
    *server = (postgres_server){.orders = -1, .reports = -1};
    if (!find_program("postgres", postgres) || !find_program("initdb", initdb) || (geteuid() == 0 && !other_user())) {
        printf("skipped: no PostgreSQL server is installed\n");
        return SKIP;
    }
    if (make_directory(server) && start_supervisor(server, postgres, initdb)) {
        char certificate[128];
        snprintf(certificate, sizeof certificate, "%s/data/server.crt", server->directory);
        server->tls = access(certificate, F_OK) == 0;
        return 0;
    }
    printf("the PostgreSQL server in %s did not start\n", server->directory);
    postgres_server_stop(server);
    return BROKEN;
}

void postgres_server_stop(postgres_server *server) {
    close(server->orders);
    close(server->reports);
    if (server->supervisor > 0)
        while (waitpid(server->supervisor, NULL, 0) < 0 && errno == EINTR)
            continue;
    else if (server->directory[0])
        remove_directory(server);
    server->supervisor = 0;
}

bool postgres_server_restart(postgres_server *server) {
    char order = RESTART;
    return write(server->orders, &order, 1) == 1 && await_report(server);
}

pid_t postgres_server_pid(const postgres_server *server) {
    char path[128];
    long pid = 0;
    snprintf(path, sizeof path, "%s/data/postmaster.pid", server->directory);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%ld", &pid) != 1)
        pid = 0;
    if (file)
        fclose(file);
    return (pid_t)pid;
}

static pid_t parent_of(const char *process) {
    char path[64], text[512] = "";
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%.20s/stat", process);
    FILE *file = fopen(path, "r");
    if (file && fgets(text, sizeof text, file) && strrchr(text, ')'))
        sscanf(strrchr(text, ')') + 1, " %*c %d", &parent);
    if (file)
        fclose(file);
    return parent;
}

void postgres_server_signal_all(const postgres_server *server, int signal) {
    pid_t postmaster = postgres_server_pid(server);
    if (postmaster <= 0)
        return;
    kill(postmaster, signal);
    DIR *processes = opendir("/proc");
    for (struct dirent *entry; processes && (entry = readdir(processes));)
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && parent_of(entry->d_name) == postmaster)
            kill((pid_t)strtol(entry->d_name, NULL, 10), signal);
    if (processes)
        closedir(processes);
}

void postgres_server_params(const postgres_server *server, bool tcp, dbpool_param params[POSTGRES_SERVER_PARAMS]) {
    params[0] = (dbpool_param){"user", POSTGRES_SERVER_USER};
    params[1] = (dbpool_param){"password", POSTGRES_SERVER_PASSWORD};
    params[2] = (dbpool_param){"host", tcp ? "127.0.0.1" : server->directory};
    params[3] = (dbpool_param){"port", server->port};
    params[4] = (dbpool_param){"path", "/postgres"};
}
