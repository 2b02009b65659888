module github.com/commet-labs/commet-go/v9

go 1.18
