//go:build unix

package testservers

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// keeper runs a server and waits on its own standard input: each line names a
// signal to pass on or says START, and the end of the input ends the server and removes its
// folder. The kernel closes the pipe whatever way the test process dies.
const keeper = `
"$@" </dev/null >>"$KEEPER_LOG" 2>&1 &
pid=$!
while read -r sig; do
	if [ "$sig" = START ]; then
		wait "$pid"
		"$@" </dev/null >>"$KEEPER_LOG" 2>&1 &
		pid=$!
	else
		kill -s "$sig" "$pid" 2>/dev/null
	fi
done
kill -s CONT "$pid" 2>/dev/null
kill -s "$KEEPER_END" "$pid" 2>/dev/null
wait "$pid"
if [ -n "$KEEPER_REMOVE" ]; then rm -rf "$KEEPER_REMOVE"; fi
`

// launch says how to run a server.
type launch struct {
	argv []string
	// dir is the working folder, log the file that takes the output.
	dir, log string
	// end is the signal that ends the server, "KILL" or "INT".
	end string
	// remove is a folder that goes when the server has ended, "" for none.
	remove string
	// as is the user to run as, nil for the user of the test.
	as *account
}

// account is a user of this machine.
type account struct{ uid, gid int }

// process is a running server under its keeper.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

func (l launch) start() (*process, error) {
	cmd := exec.Command("/bin/sh", append([]string{"-c", keeper, "keeper"}, l.argv...)...)
	cmd.Dir = l.dir
	cmd.Env = append(os.Environ(), "KEEPER_LOG="+l.log, "KEEPER_END="+l.end, "KEEPER_REMOVE="+l.remove)
	cmd.SysProcAttr = l.as.attributes()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", l.argv[0], err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", l.argv[0], err)
	}
	return &process{cmd: cmd, stdin: stdin}, nil
}

// signal passes a signal on to the server: "KILL", "STOP", "CONT".
func (p *process) signal(name string) error {
	_, err := io.WriteString(p.stdin, name+"\n")
	return err
}

// stop ends the server and waits until it is gone.
func (p *process) stop() {
	_ = p.stdin.Close()
	_ = p.cmd.Wait()
}

// attributes puts the keeper into a process group of its own, so that Ctrl-C at
// the terminal reaches only the test, and under another user where asked.
func (a *account) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a != nil {
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid), Groups: []uint32{}}
	}
	return attr
}

// run runs a command to its end as the user.
func (a *account) run(dir string, argv ...string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.SysProcAttr = a.attributes()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", argv[0], err, out)
	}
	return nil
}

// unprivileged gives the user that PostgreSQL can run as: nil for the present
// one, another when that is root, which PostgreSQL refuses.
func unprivileged() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.Atoi(u.Uid)
		gid, gidErr := strconv.Atoi(u.Gid)
		if uidErr == nil && gidErr == nil {
			return &account{uid, gid}, nil
		}
	}
	return nil, fmt.Errorf("PostgreSQL does not run as root, and there is no user %q or %q", "postgres", "nobody")
}

// own hands a path to the user.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return os.Chown(path, a.uid, a.gid)
}
