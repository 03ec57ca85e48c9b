// Package agenttest brings real parts to the tests of the whole agent: Debian's Apache with PHP, Debian's nginx, each
// with a small configuration of its own at a host of a lab, and the program backhand itself.
//
// All that a web server reads and writes is in a temporary directory; of the machine it uses the program and its modules,
// nothing below /etc and /var. Every server answers at /whoami.php, whatever the method, with what it saw of the request
// ([Answer]), so that a test can tell who served it and what about the client came through.
package agenttest
