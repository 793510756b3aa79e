//go:build !unix

package testservers

import (
	"errors"
	"os/exec"
)

var errPlatform = errors.New("test servers run on Unix systems only")

type launch struct {
	argv        []string
	dir, log    string
	end, remove string
	as          *account
}

type account struct{}

type process struct{ cmd *exec.Cmd }

func (l launch) start() (*process, error)      { return nil, errPlatform }
func (p *process) signal(string) error         { return errPlatform }
func (p *process) stop()                       {}
func (a *account) run(string, ...string) error { return errPlatform }
func (a *account) own(string) error            { return errPlatform }
func unprivileged() (*account, error)          { return nil, errPlatform }
