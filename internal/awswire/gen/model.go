package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// writeModel writes the facts of a folder as a service model that boto3 and
// the AWS CLI load, at the place below dir where AWS_DATA_PATH expects it.
func writeModel(facts, dir string) error {
	path, text, err := model(facts)
	if err != nil {
		return err
	}
	path = filepath.Join(dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// model returns the service model of the only facts file in a folder, and its
// path below AWS_DATA_PATH: service, version, service-2.json.
func model(facts string) (path string, text []byte, err error) {
	files, err := filepath.Glob(filepath.Join(facts, "*.json"))
	if err != nil || len(files) != 1 {
		return "", nil, fmt.Errorf("%s holds %d files of facts, and a model is made of one (%v)", facts, len(files), err)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		return "", nil, err
	}
	var in struct {
		Metadata   map[string]any `json:"metadata"`
		Operations map[string]struct {
			HTTP   map[string]any `json:"http"`
			Input  string         `json:"input"`
			Output string         `json:"output"`
			Errors []string       `json:"errors"`
		} `json:"operations"`
		Shapes map[string]any `json:"shapes"`
	}
	if err := json.Unmarshal(content, &in); err != nil {
		return "", nil, fmt.Errorf("%s: %w", files[0], err)
	}
	type ref struct {
		Shape string `json:"shape"`
	}
	operations := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(in.Operations)) {
		op := in.Operations[name]
		out := map[string]any{"name": name, "http": op.HTTP}
		if op.Input != "" {
			out["input"] = ref{op.Input}
		}
		if op.Output != "" {
			out["output"] = ref{op.Output}
		}
		var errs []ref
		for _, e := range op.Errors {
			errs = append(errs, ref{e})
		}
		out["errors"] = errs
		operations[name] = out
	}
	name, version := fmt.Sprint(in.Metadata["signingName"]), fmt.Sprint(in.Metadata["apiVersion"])
	in.Metadata["serviceFullName"] = in.Metadata["serviceId"]
	in.Metadata["signatureVersion"] = "v4"
	in.Metadata["uid"] = name + "-" + version
	text, err = json.MarshalIndent(map[string]any{
		"version": "2.0", "metadata": in.Metadata, "operations": operations, "shapes": in.Shapes,
	}, "", " ")
	return filepath.Join(name, version, "service-2.json"), append(text, '\n'), err
}
