"""From what people have to faces in the project's layout: records, packs, archives, folders, photographs."""
