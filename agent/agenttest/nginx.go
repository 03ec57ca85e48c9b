//go:build linux

package agenttest

import (
	"cmp"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"backhand/gossip/gossiptest/lab"
)

// StartNginx starts Debian's nginx with files, stub_status (at /stub_status, for clients on its own host) and the realip
// module, and returns when it answers.
func StartNginx(t testing.TB, h *lab.Host, s Site) *Origin {
	t.Helper()
	lab.Need(t, "nginx")
	o, dir := newOrigin(t, h, s, "nginx", nginxConf)
	o.command = []string{"nginx", "-e", "stderr", "-p", dir, "-c", filepath.Join(dir, "nginx.conf")}
	o.finish = syscall.SIGQUIT
	o.Start(t)
	return o
}

func nginxConf(s Site, dir string) string {
	return strings.NewReplacer(
		"%DIR%", dir, "%ADDR%", s.Addr.String(), "%CONFIG%", s.Config,
		"%WORKERS%", strconv.Itoa(cmp.Or(s.Workers, 512)),
		"%WHOAMI%", strings.ReplaceAll(whoamiNginx, "%LABEL%", s.Label),
	).Replace(`
daemon off;
user www-data;
worker_processes 1;
pid %DIR%/nginx.pid;
error_log stderr warn;
events { worker_connections %WORKERS%; }
http {
	access_log off;
	client_body_temp_path %DIR%/body;
	proxy_temp_path %DIR%/proxy;
	fastcgi_temp_path %DIR%/fastcgi;
	uwsgi_temp_path %DIR%/uwsgi;
	scgi_temp_path %DIR%/scgi;
	types { text/html html; text/plain txt; text/css css; image/png png; }
	server {
		listen %ADDR%;
		root %DIR%/pages;
		location = /whoami.php {
			default_type text/plain;
			return 200 "%WHOAMI%";
		}
		location = /stub_status {
			stub_status;
			allow 127.0.0.0/8;
			deny all;
		}
		%CONFIG%
	}
}
`)
}
