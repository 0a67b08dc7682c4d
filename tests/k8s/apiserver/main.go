// A real Kubernetes API server for tests, with its etcd inside and kubectl beside it:
//
//	apiserver DATA [FLAG…]             etcd in the directory DATA, kube-apiserver with these flags
//	apiserver kubectl [ARGUMENT…]      kubectl
package main

import (
	"log"
	"net/url"
	"os"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	if os.Args[1] == "kubectl" {
		os.Args = os.Args[1:]
		os.Exit(cli.Run(kubectl.NewDefaultKubectlCommand()))
	}
	server := app.NewAPIServerCommand()
	server.SetArgs(append(os.Args[2:], "--etcd-servers="+startEtcd(os.Args[1])))
	os.Exit(cli.Run(server))
}

// Its sockets are files in its directory: no port that somebody else might have.
func startEtcd(directory string) (address string) {
	socket := func(name string) url.URL { return url.URL{Scheme: "unix", Path: directory + "/" + name} }
	client := socket("client.sock")
	config := embed.NewConfig()
	config.Dir = directory
	config.ListenClientUrls = []url.URL{client}
	config.ListenPeerUrls = []url.URL{socket("peer.sock")}
	config.UnsafeNoFsync = true // nothing here outlives its test
	config.LogLevel = "error"
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		log.Fatal(err)
	}
	<-etcd.Server.ReadyNotify()
	return client.String()
}
