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

// StartApache starts Debian's Apache with mpm_prefork, mod_php, mod_remoteip and mod_status (at /server-status, for
// clients on its own host), and returns when it answers.
func StartApache(t testing.TB, h *lab.Host, s Site) *Origin {
	t.Helper()
	lab.Need(t, "apache2", "php")
	o, dir := newOrigin(t, h, s, "apache", apacheConf)
	// With PHP_INI_SCAN_DIR empty PHP reads nothing below /etc.
	o.command = []string{"env", "PHP_INI_SCAN_DIR=", "apache2", "-D", "FOREGROUND", "-f", filepath.Join(dir, "apache.conf")}
	o.finish = syscall.SIGWINCH
	o.Start(t)
	return o
}

func apacheConf(s Site, dir string) string {
	php, _ := filepath.Glob("/usr/lib/apache2/modules/libphp*.so") // Need saw that there is one
	listen := "Listen " + s.Addr.String()
	if strings.Contains("\n"+s.Config, "\nListen ") {
		listen = ""
	}
	return strings.NewReplacer(
		"%DIR%", dir, "%LABEL%", s.Label, "%LISTEN%", listen, "%PHP%", php[0],
		"%WORKERS%", strconv.Itoa(cmp.Or(s.Workers, 32)), "%CONFIG%", s.Config,
	).Replace(`
LoadModule mpm_prefork_module /usr/lib/apache2/modules/mod_mpm_prefork.so
LoadModule authz_core_module  /usr/lib/apache2/modules/mod_authz_core.so
LoadModule authz_host_module  /usr/lib/apache2/modules/mod_authz_host.so
LoadModule dir_module         /usr/lib/apache2/modules/mod_dir.so
LoadModule env_module         /usr/lib/apache2/modules/mod_env.so
LoadModule remoteip_module    /usr/lib/apache2/modules/mod_remoteip.so
LoadModule status_module      /usr/lib/apache2/modules/mod_status.so
LoadModule php_module         %PHP%

ServerName "%LABEL%"
%LISTEN%
ServerRoot "%DIR%"
DefaultRuntimeDir "%DIR%"
PidFile "%DIR%/apache.pid"
ScoreBoardFile "%DIR%/apache.score"
Mutex "file:%DIR%" default
User www-data
Group www-data
StartServers 2
MinSpareServers 2
MaxRequestWorkers %WORKERS%
ErrorLog /dev/stderr
CustomLog /dev/stdout "%h %{X-Forwarded-For}i \"%r\" %>s"

PHPINIDir "%DIR%"
SetEnv SITE_LABEL "%LABEL%"
DocumentRoot "%DIR%/pages"
DirectoryIndex index.php index.html
<FilesMatch "\.php$">
	SetHandler application/x-httpd-php
</FilesMatch>
ExtendedStatus On
<Location "/server-status">
	SetHandler server-status
	Require local
</Location>
%CONFIG%
`)
}
