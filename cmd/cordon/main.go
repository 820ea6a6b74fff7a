// Command cordon audits a fleet of X.509 devices and mitigates what it finds.
package main

func main() {}
